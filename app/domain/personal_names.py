"""What redaction knows of names: Chinese surnames, and English words that follow "my name is" without being one."""

# The hundred or so that most people bear, less those that are everyday words behind 我叫 (车).
SURNAME = (
    "(?:欧阳|司马|上官|诸葛|司徒|皇甫|令狐|慕容|尉迟|夏侯"
    "|[王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏"
    "钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛"
    "温芦季俞章鲁葛伍韦申尤毕聂丛焦向柳邢路岳齐莫祝左涂谷裴翁])"
)
# One or two characters. The second may also be what the sentence goes on with, so words of grammar end the name.
GIVEN_NAME = (
    "(?![不了的吗])[\u4e00-\u9fff]"
    "(?:(?![想要的是在有我你您他她了吗呢吧啊和与去来请怎能可会到把被给对为需问这那不没也就都还开办查取存转])"
    "[\u4e00-\u9fff])?"
)
_GOES_ON = """
a about account address again all already also always an and appearing appears are as at bank bears been being
blank book but by can card change changed changes changing correct correctly dear different differently
displayed double entered for from going gone had has have hello her here hi his hyphenated i if in incomplete
incorrect incorrectly is it its joint just listed long longer me misspelled misspelt missing much my never new
no not now of old on only or other our out please printed really registered required right same she short
showing shown slightly so spelled spelling spelt statement still taken that the their then there they this to
too two under unknown unusual upside used very visible was we what when which who will with without written
wrong wrongly your
"""
NOT_A_NAME = frozenset(_GOES_ON.split())
