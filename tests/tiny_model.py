"""A backbone small enough for a test: random Gemma 3 weights and a tokenizer trained on the spot."""

import csv
from pathlib import Path

import gguf
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig, PreTrainedTokenizerFast

from app.domain.news import TOPICS, Sentiment
from app.ml.prompts import SENTIMENT_SUFFIX
from app.ml.training import LINEAR_LAYERS

KNOWLEDGE = Path(__file__).resolve().parent.parent / "data" / "knowledge"
VOCABULARY = 1500
SPECIAL = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"}
SENTENCES = (
    "The bank reported a record profit, and its shares rose after the results.",
    "Customers could not pay for hours: an outage took the app down on Friday night.",
    "The regulator fined the lender over weak controls. The board said it would appeal.",
    "Answer the customer from the sources, in the customer's language, and cite them like [1].",
    "Customer: How do I open an account?\nAssistant: You can open it in the app. [1]\n",
    "公司前三季度净利润同比增长，董事会建议派发现金红利。",
    "受系统故障影响，客户周五晚间数小时无法付款，监管部门已介入调查。",
    "请根据资料回答客户的问题，并注明出处。手续费为零，三个工作日内到账。",
)


def build_tiny_backbone(folder: Path, seed: int = 0) -> Path:
    """Save a random float32 model and its tokenizer into `folder`, as save_pretrained does; under 2 s.

    Four layers of both kinds of attention, a window that ordinary prompts exceed, tied embeddings; each label
    word behind a space is one token. Another seed gives other weights and the same tokenizer.
    """
    tokenizer = train_tokenizer()
    torch.manual_seed(seed)
    config = Gemma3TextConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        layer_types=["sliding_attention", "full_attention"] * 2,
        sliding_window=16,
        max_position_embeddings=2048,
        initializer_range=0.2,  # wide, so that a random model's choices depend on what it reads
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        tie_word_embeddings=True,
    )
    Gemma3ForCausalLM(config).to(torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_random_adapter(backbone: Path, folder: Path, seed: int) -> Path:
    """Save a LoRA adapter whose weights are noise, so that it changes every result."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(backbone)
    config = LoraConfig(r=4, target_modules=LINEAR_LAYERS, init_lora_weights=False, task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    config.init_lora_weights = True  # as in the configuration of an adapter that was trained
    adapted.save_pretrained(str(folder))
    return folder


def write_tiny_gguf(folder: Path, path: Path) -> None:
    """Write a saved tiny backbone as GGUF, unquantized, with a vocabulary of bytes and letters.

    GGUF keeps the weights of Gemma's norms plus one, and says nothing about which layers look back how far.
    """
    model = AutoModelForCausalLM.from_pretrained(folder)
    config = model.config
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_sliding_window(config.sliding_window)
    writer.add_rope_freq_base(1e6)
    _add_letters(writer, config.vocab_size)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA3, config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        if name != "lm_head.weight":  # tied to the embeddings
            value = weight + 1 if "norm" in name else weight
            writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), value.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_letters(writer: gguf.GGUFWriter, size: int) -> None:
    control, normal, single_byte = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL, gguf.TokenType.BYTE
    tokens = [(token, control) for token in SPECIAL.values()]
    tokens += [(f"<0x{i:02X}>", single_byte) for i in range(256)]
    tokens += [(letter, normal) for letter in "▁abcdefghijklmnopqrstuvwxyz"]
    tokens += [(f"<unused{i}>", normal) for i in range(size - len(tokens))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token for token, _ in tokens])
    writer.add_token_scores([0.0] * size)
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_pad_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_unk_token_id(3)


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE over English and Chinese: every text has tokens, and a Chinese character may be several."""
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    bos = SPECIAL["bos_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **SPECIAL)


def _corpus() -> list[str]:
    labels = [SENTIMENT_SUFFIX + f" {label}" for label in (*Sentiment, *TOPICS)]
    questions = []
    for path in sorted(KNOWLEDGE.rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            questions += [row["question"] for row in csv.DictReader(stream)]
    return [*questions, *SENTENCES * 5, *labels * 50]
