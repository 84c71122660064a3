from hms_utils.constants import (
    CHAINS,
    DIFFERENCES,
    EEG_COLUMNS,
    MIRRORED_CHAIN,
    SPECTROGRAM_COLUMNS,
)


def test_electrodes_and_differences():
    assert len(EEG_COLUMNS) == len(set(EEG_COLUMNS)) == 20
    assert DIFFERENCES[0] == ("Fp1", "F7")
    assert len(DIFFERENCES) == 16
    assert {name for pair in DIFFERENCES for name in pair} < set(EEG_COLUMNS)


def test_spectrogram_columns_are_named_as_in_the_files():
    assert len(set(SPECTROGRAM_COLUMNS)) == 400
    assert SPECTROGRAM_COLUMNS[0] == "LL_0.59"
    assert SPECTROGRAM_COLUMNS[-1] == "RP_19.92"
    assert {"LL_4.1", "RL_8.2", "LP_12.3", "LL_3.13", "RP_15.63"} < set(SPECTROGRAM_COLUMNS)
    assert [name[:2] for name in SPECTROGRAM_COLUMNS[::100]] == ["LL", "RL", "LP", "RP"]


def test_mirrored_chain_is_the_other_side():
    for chain, other in MIRRORED_CHAIN.items():
        assert MIRRORED_CHAIN[other] == chain
        assert chain[1] == other[1]
        assert CHAINS[chain] != CHAINS[other]
