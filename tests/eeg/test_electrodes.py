import pytest

from hms_utils.constants import BIPOLAR_COLUMNS, EEG_COLUMNS, ELECTRODES
from hms_utils.eeg.electrodes import find_electrodes

BANANA = (
    "FP1-F7", "F7-T7", "T7-P7", "P7-O1", "FP2-F8", "F8-T8", "T8-P8", "P8-O2",
    "FP1-F3", "F3-C3", "C3-P3", "P3-O1", "FP2-F4", "F4-C4", "C4-P4", "P4-O2",
)  # fmt: skip


@pytest.mark.parametrize(
    ("label", "name", "like"),
    [
        ("Fp1", "Fp1", "{}"),
        ("FP1", "Fp1", "{}"),
        ("fp2", "Fp2", "{}"),
        ("EEG Fp1-Ref", "Fp1", "EEG {}-Ref"),
        ("EEG FP1-REF", "Fp1", "EEG {}-Ref"),
        ("EEG FP1-LE", "Fp1", "EEG {}-LE"),
        ("EEG C3-AR", "C3", "EEG {}-AR"),
        ("EEG Fp1 - Avg", "Fp1", "EEG {} - Avg"),
        ("Fp1-A2", "Fp1", "{}-A2"),
        ("F8-M1", "F8", "{}-M1"),
        ("O1-A1A2", "O1", "{}-A1A2"),
        ("O1-A1+A2", "O1", "{}-A1+A2"),
        ("O1-(A1+A2)", "O1", "{}-A1+A2"),
        ("C4:M1", "C4", "{}:M1"),
        ("P4/A1", "P4", "{}/A1"),
        ("F7-FCz", "F7", "{}-FCz"),
        ("EEG F7_REF", "F7", "EEG {}_REF"),
        ("C3-CLE", "C3", "{}-CLE"),
        ("C3-LER", "C3", "{}-LER"),
        ("C3-AA", "C3", "{}-AA"),
        ("C3-AvgRef", "C3", "{}-AvgRef"),
        ("C3-CS2", "C3", "{}-CS2"),
        ("C3-Org", "C3", "{}-Org"),
        ("C3 (A1+A2)", "C3", "{}-(A1+A2)"),
        ("C3-Zref", "C3", "{}-Zref"),
        ("POL T3", "T3", "POL {}"),
        ("EEG T7-Ref", "T3", "EEG {}-Ref"),
        ("T8", "T4", "{}"),
        ("P7-CPz", "T5", "{}-CPz"),
        ("eeg p8-ref", "T6", "EEG {}-REF"),
        ("EEG Fz", "Fz", "EEG {}"),
        ("CZ", "Cz", "{}"),
        ("Pz..", "Pz", "{}.."),
        ("O2 ", "O2", "{}"),
        ("Fp1-Ref-0", "Fp1", "{}-Ref"),
        ("Fp1-1", "Fp1", "{}"),
        ("Fp1Ref", "Fp1", "{}Ref"),
        ("Fp1Avg", "Fp1", "{}-Avg"),
        ("C3A2", "C3", "{}-A2"),
        ("EEG CzLE", "Cz", "EEG {}LE"),
        ("1-Fp1", "Fp1", "7-{}"),
        ("01-Fp1", "Fp1", "12-{}"),
        ("19: O2-Ref", "O2", "02: {}-Ref"),
        ("Ch 3 F3", "F3", "Ch 12 {}"),
        ("(1) F3", "F3", "(12) {}"),
        ("3. EEG F3-Ref", "F3", "12. EEG {}-Ref"),
        ("EEG 3-F3", "F3", "EEG 12-{}"),
        ("Fp1 (uV)", "Fp1", "{} (uV)"),
        ("Fp1-Ref [\xb5V]", "Fp1", "{}-Ref"),
        ("Fp1, microvolt", "Fp1", "{}"),
        ("Fp1_uV", "Fp1", "{}"),
        ("\u04213-\u04101", "C3", "{}-A1"),  # in Russian letters
        ("\u041e1", "O1", "{}"),
        ("#1 Fp1", "Fp1", "#12 {}"),
        ("T3 (T7)", "T3", "{}"),
        ("P8/T6", "T6", "{}"),
        ("EEG C3-EEG A1", "C3", "EEG {}-A1"),
        ("EEG C3 - EEG A1", "C3", "EEG {} - EEG A1"),
        ("C3\u2013A1", "C3", "{}-A1"),
        ("C3\x96A1", "C3", "{}-A1"),
        ("EKG", "EKG", "{}"),
        ("ECG I", "EKG", "{}"),
        ("EEG EKG-REF", "EKG", "{}"),
        ("ECG1-ECG2", "EKG", "{}"),
        ("EEG Fpz-Ref", None, "{}"),
        ("EEG A1-REF", None, "{}"),
        ("T9", None, "{}"),
        ("EMG-REF", None, "{}"),
        ("SpO2", None, "{}"),
        ("Pleth", None, "{}"),
        ("PHOTIC-REF", None, "{}"),
        ("Fp1 Imp", None, "{}"),
        ("Fp1 (kOhm)", None, "{}"),
        ("Fp1 mVal", None, "{}"),
        ("12-13", None, "{}"),
        ("C3Env", None, "{}"),
        ("C3 EMG", None, "{}"),
        ("Fp1-Imp", None, "{}"),
        ("EDF Annotations", None, "{}"),
        ("E1", None, "{}"),
        ("Status", None, "{}"),
    ],
)
def test_labels_as_clinics_write_them(label, name, like):
    others = [like.format(other) for other in ELECTRODES if other != name]
    places = find_electrodes([*others, label]).places
    assert {key for key, place in places.items() if place == len(others)} == ({name} - {None})


@pytest.mark.parametrize("suffix", ["Ref", "CLE", "AvgRef", "FCz", "A1"])
def test_the_reference_is_named(suffix):
    labels = [f"{name}-{suffix}" for name in ELECTRODES]
    assert find_electrodes(labels).notes == (f"reference {suffix}",)
    assert find_electrodes(list(ELECTRODES)).notes == ()
    glued = [f"{name}Ref" for name in ELECTRODES]
    assert find_electrodes(glued).notes == ("reference Ref",)


def test_the_first_of_equal_labels_is_taken_and_named():
    found = find_electrodes([*ELECTRODES, "Fp1-1", "T7", "F3-C3"])
    assert [found.places[name] for name in ELECTRODES] == list(range(19))
    assert found.notes == (
        "Fp1 stands 2 times, signal 1 is taken",
        "T3 stands 2 times, signal 6 is taken",
    )


def test_of_equal_labels_that_at_the_rate_of_the_others_is_taken():
    found = find_electrodes(["C3", *ELECTRODES], [100, *[256] * 19])
    assert found.places["C3"] == 1 + ELECTRODES.index("C3")


def test_one_electrode_can_be_the_reference():
    found = find_electrodes([f"{name}-Cz" for name in ELECTRODES if name != "Cz"])
    assert found.zero == "Cz"
    assert {*found.places, "Cz"} == {*ELECTRODES}
    assert found.notes == ("reference Cz",)


def test_scalp_comes_before_depth():
    depth = [f"POL {letter}{n}" for letter in "CO" for n in range(1, 13)]
    scalp = [f"EEG {name}-Ref" for name in ELECTRODES]
    found = find_electrodes([*depth, *scalp])
    assert [found.places[name] for name in ELECTRODES] == list(range(24, 43))
    assert found.notes == ("reference Ref", "left aside: POL C3, POL C4, POL O1 and 1 more")
    # Contacts that count with two digits are no electrodes.
    assert find_electrodes([*(f"C{n:02}" for n in range(1, 13)), *ELECTRODES]).notes == ()
    # Nor are those of the 10-10 system contacts.
    ten = [f"{a}{n}" for a in ("F", "FC", "C", "CP", "P", "AF") for n in (1, 2, 5, 6)]
    more = ["Fpz", "Oz", "O9", "O10", "F9", "F10", "P9", "P10", "T9", "T10", "FT10", "PO8", "A1"]
    assert find_electrodes([*ten, *more, *ELECTRODES]).notes == ()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [f"{a}{n}" for a in "CFOPT" for n in range(1, 9)],
            "found C3, C4 beside C8: from contacts",
        ),
        ([f"EEG {a}{n}-Ref" for a in "CFOPT" for n in range(1, 13)], "C3, C4 beside C12"),
        ([f"C{n}" for n in range(1, 7)] + [*ELECTRODES], "C3, C4 twice, beside C1, C2, C5, C6"),
        ([f"F{n}" for n in range(1, 16)] + [*ELECTRODES], "F3, F4, F7, F8 beside F15"),
        ([e for e in ELECTRODES if e[-1] != "z" and e[:2] != "Fp"], "found none of Cz, Fp1, Fp2"),
    ],
)
def test_what_may_be_depth_is_refused(labels, message):
    with pytest.raises(ValueError, match=f"expected electrodes on the scalp, .*{message}"):
        find_electrodes(labels)


def test_all_have_one_reference():
    reference = [f"{name}-Ref" for name in ELECTRODES]
    average = [f"{name}-Avg" for name in ELECTRODES]
    found = find_electrodes([average[0], *reference, *average[1:18]])
    assert [found.places[name] for name in ELECTRODES] == list(range(1, 20))
    assert found.notes[0] == "reference Ref"
    mixed = [*reference[:9:2], *average[1:9:2], *reference[9:]]
    with pytest.raises(
        ValueError, match="one reference, found 15 with reference Ref, 4 with reference Avg"
    ):
        find_electrodes(mixed)


def test_each_side_can_have_its_reference():
    labels = [f"{name}-A{2 if name[-1] in '2468' else 1}" for name in ELECTRODES]
    found = find_electrodes(labels)
    assert [found.places[name] for name in ELECTRODES] == list(range(19))
    assert found.notes == ("left reference A1, right reference A2",)


@pytest.mark.parametrize(
    "write",
    [
        "{}".format,
        lambda label: f"EEG {label}",
        lambda label: label.lower().replace("-", " - "),
        lambda label: label.replace("-", "_"),
        lambda label: label.replace("-", ""),
        lambda label: label.replace("T7", "T3").replace("P8", "T6"),
        lambda label: f"{label}-0",
        lambda label: "EEG " + label.replace("-", "-EEG "),
        lambda label: label.replace("-", "\u2013"),
        lambda label: f"3: {label} (uV)",
    ],
)
def test_the_double_banana_itself_is_taken(write):
    found = find_electrodes(["ECG", "FZ-CZ", "T7-FT9", *map(write, BANANA)])
    assert found.columns == BIPOLAR_COLUMNS
    assert [found.places[name] for name in BIPOLAR_COLUMNS] == [*range(3, 19), 0]
    assert not found.flipped
    assert found.notes == ("bipolar derivations, taken as they are",)


def test_derivations_the_other_way_round_and_twice():
    turned = ["-".join(label.split("-")[::-1]) for label in BANANA[:4]]
    found = find_electrodes([*turned, *BANANA[4:], "T8-P8"])
    assert found.flipped == {*BIPOLAR_COLUMNS[:4]}
    assert found.places["T4-T6"] == 6
    assert found.notes[1] == "T8-P8 stands 2 times, signal 7 is taken"


def test_each_chain_needs_two_of_its_derivations():
    found = find_electrodes(BANANA[2:])
    assert len(found.places) == 14
    assert found.notes[0] == "without Fp1-F7, F7-T3, which count as gaps"
    message = r"differences of four chains, found bipolar .*missing \['Fp1-F7', .*LL keeps 1 of"
    with pytest.raises(ValueError, match=message):
        find_electrodes(BANANA[3:])


def test_electrodes_come_before_derivations():
    found = find_electrodes([*BANANA, *ELECTRODES])
    assert found.columns == EEG_COLUMNS
    found = find_electrodes([*BANANA, *ELECTRODES[:10]])
    assert found.columns == BIPOLAR_COLUMNS


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["FP1-F7", "F7-T7", "T7-P7", "P7-O1"], r"bipolar derivations, .*RL keeps 0 of its 4"),
        (["SpO2", "EKG", "Resp"], "electrodes such as Fp1, found 3 channels: SpO2, EKG, Resp"),
        ([], "found 0 channels"),
        (["Fp1", "Fp2", "C3", "C4", "O1", "O2", "Cz"], r"missing \['F3', .*LL keeps 0 of its 4"),
        ([e for e in ELECTRODES if e not in ("F4", "P4")], r"\['F4', 'P4'\]: RP keeps 0 of its 4"),
    ],
)
def test_what_makes_no_chains_is_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        find_electrodes(labels)
