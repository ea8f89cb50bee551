"""Published results on the Numenta Anomaly Benchmark, to print beside one's own.

Source: numenta/NAB (MIT licence), results/<detector>/<detector>_standard_scores.csv, raw scores of the standard
profile. Their thresholds were chosen on all 58 files; here are those of the 24 open ones.
"""

DETECTORS = ("ARTime", "Numenta HTM", "CAD OSE", "Windowed Gaussian")
# Leaderboard, standard profile, all 58 files.
LEADERBOARD = {
    "ARTime": 74.9,
    "Numenta HTM": 70.1,
    "CAD OSE": 69.9,
    "Twitter ADVec": 47.1,
    "Windowed Gaussian": 39.6,
}
WINDOWED_GAUSSIAN_THRESHOLD = 1.0

_ROWS = """
artificialNoAnomaly/art_daily_no_noise.csv -0.11 0 0 0
artificialNoAnomaly/art_daily_perfect_square_wave.csv 0 0 -0.11 0
artificialNoAnomaly/art_daily_small_noise.csv 0 0 -0.33 0
artificialNoAnomaly/art_flatline.csv 0 0 0 0
artificialNoAnomaly/art_noisy.csv 0 0 0 0
artificialWithAnomaly/art_daily_flatmiddle.csv 0.803974 0.441127 0.795472 -1
artificialWithAnomaly/art_daily_jumpsdown.csv 0.993453 0.748909 0.658549 -1
artificialWithAnomaly/art_daily_jumpsup.csv 0.858909 0.748909 0.860672 -1
artificialWithAnomaly/art_daily_nojump.csv -1.11 -1 -1.33 -1
artificialWithAnomaly/art_increase_spike_density.csv 0.846036 0.640672 0.862417 -1
artificialWithAnomaly/art_load_balancer_spikes.csv 0.049383 0.734788 0.490378 -0.692445
realAdExchange/exchange-2_cpc_results.csv 0.531983 -1.22 0.890720 -1
realAdExchange/exchange-2_cpm_results.csv -0.144651 1.553210 -0.463742 -2
realAdExchange/exchange-3_cpc_results.csv 2.700762 0.640917 2.488728 2.502663
realAdExchange/exchange-3_cpm_results.csv 0.642205 -1 0.862099 0.862099
realAdExchange/exchange-4_cpc_results.csv 2.046652 -1.319382 0.512283 0.292288
realAdExchange/exchange-4_cpm_results.csv 1.257468 1.442700 1.604710 1.274710
realKnownCause/ambient_temperature_system_failure.csv 1.657733 1.322635 -0.428600 -2
realKnownCause/cpu_utilization_asg_misconfiguration.csv -0.257470 -0.573049 -0.192967 -1.11
realKnownCause/ec2_request_latency_system_failure.csv 1.390584 1.985381 1.990644 -0.065911
realKnownCause/machine_temperature_system_failure.csv 2.556330 2.893217 1.638278 -4
realKnownCause/nyc_taxi.csv 3.775210 2.341892 -1.429768 -5
realKnownCause/rogue_agent_key_hold.csv -1.280892 -0.867400 -0.959262 -2.44
realKnownCause/rogue_agent_key_updown.csv -2.567650 -1.185760 -2.22 -1.396491
"""


def published_scores() -> dict[str, dict[str, float]]:
    """Raw scores by file and detector."""
    rows = [line.split() for line in _ROWS.strip().splitlines()]
    return {name: dict(zip(DETECTORS, map(float, values), strict=True)) for name, *values in rows}
