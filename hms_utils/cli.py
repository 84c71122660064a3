"""The command line: ``python -m hms_utils``."""

import os
import shlex
import shutil
import signal
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from hms_utils import paths
from hms_utils.constants import CLASSES, COMPETITION
from hms_utils.lock import locked

OUT_OF_TIME = 75  # exit code of what may be tried again, of sysexits.h
_DOWNLOAD_NEEDS = f"""The download needs
  1. a Kaggle account that has accepted the rules at
     https://www.kaggle.com/competitions/{COMPETITION}/rules
  2. its API token: kaggle.json in ~/.kaggle, or KAGGLE_API_TOKEN in the environment
     (kaggle.com, Settings, API)
  3. a network and some 26 GB of disk, the same again while it unpacks
Or download the files by hand into the folder named above."""


_INTERRUPTED = 130  # as a shell says it


@contextmanager
def _plain_errors():
    """Show what a user can mend as one line instead of a traceback."""
    try:
        yield
    except (ValueError, OSError, RuntimeError, ModuleNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    except MemoryError as error:
        raise click.ClickException(f"too little memory: {error or 'it is used up'}") from error
    except KeyboardInterrupt:
        print("\nInterrupted: what was complete is kept, the same command goes on from there")
        sys.exit(_INTERRUPTED)


@contextmanager
def _download_errors():
    try:
        yield
    except Exception as error:
        # kagglehub and what it calls raise many kinds; to the user they are one.
        reason = f"{type(error).__name__}: {str(error).strip()}".partition("\n")[0][:200]
        raise click.ClickException(f"{reason}\n{_DOWNLOAD_NEEDS}") from error


def _numbers(text):
    try:
        return [int(part) for part in text.split(",") if part]
    except ValueError:
        raise ValueError(f'expected ids of patients such as "42516,1045", found "{text}"') from None


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main():
    """Notebooks for HMS - Harmful Brain Activity Classification.

    Research software, not a medical device.
    """
    for stream in (sys.stdout, sys.stderr):
        # What the encoding of a redirected output lacks, such as a bar's block or a letter of a
        # file's name, is no reason to die.
        stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C


@main.command()
@click.option(
    "--data-dir", help="Folder in the competition's layout [default: search, else sample]."
)
@click.option("--output-dir", help="Where results go [default: outputs in the checkout].")
@click.option(
    "--quick/--full",
    default=None,
    help="Small images and few epochs (minutes), or the settings for the competition's data "
    "(hours; a GPU is advisable) [default: quick on synthetic data, full otherwise].",
)
@click.option("--from", "first", metavar="NN", help="Start at this notebook, such as 03.")
@click.option("--to", "last", metavar="NN", help="End with this notebook.")
@click.option("--only", metavar="NN", help="Run this notebook alone.")
@click.option(
    "-p",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    help="Set a notebook's parameter, such as EPOCHS=20; may be repeated.",
)
@click.option(
    "--scheduler",
    metavar="tcp://HOST:PORT",
    envvar="DASK_SCHEDULER_ADDRESS",
    help="Draw the images and train the folds on a Dask cluster [default: this machine].",
)
@click.option(
    "--estimate", "dry", is_flag=True, help="Run nothing; say what it will take on this machine."
)
def run(data_dir, output_dir, quick, first, last, only, assignments, scheduler, dry):
    """Execute the notebooks in order, down to submission.csv.

    Stages that are complete are not computed again: a second run, or one after
    an interruption, goes on where the first stopped. With -p TIME_BUDGET_HOURS=H
    training ends in time, with exit code 75, and the next run goes on.
    """
    with _plain_errors(), ExitStack() as stack:
        from hms_utils import chain, report, sample

        notebooks = chain.select(first, only, last)
        parameters = chain.read_parameters(assignments, notebooks)
        output_dir = paths.find_output_dir(output_dir)
        if not dry:
            stack.enter_context(locked(output_dir))
        location = sample.locate(data_dir, output_dir)
        notebooks = chain.leave_out_submission(notebooks, location)
        full = not location.is_synthetic if quick is None else not quick
        if dry:
            from hms_utils import estimate

            costs = estimate.estimate(notebooks, parameters, location, full=full)
            print("\n" + estimate.table(costs))
            return
        print(f"Output: {output_dir} ({'full' if full else 'quick'} scale)")
        if scheduler:
            os.environ["DASK_SCHEDULER_ADDRESS"] = scheduler  # for the notebooks' kernels
        results = list(chain.run(notebooks, parameters, location, output_dir, full=full))
        print("\n" + chain.table(results))
        ended = results[-1]
        if any(result.notebook == "05_comparison" and not result.failed for result in results):
            print("\n" + chain.scores(output_dir))
        if ended.out_of_time:
            print(f"\n{ended.notebook} is out of time: {ended.headline}")
        elif ended.failed:
            print(f"\n{ended.notebook} failed in {ended.headline}", file=sys.stderr)
            print(f"The notebook as far as it came: {ended.executed}", file=sys.stderr)
            if (output_dir / "submission.csv").is_file():
                print(f"{output_dir / 'submission.csv'} is of an earlier run", file=sys.stderr)
        elif notebooks[-1] == chain.NOTEBOOKS[-1]:
            print(f"\nSubmission: {output_dir / 'submission.csv'}")
        print(f"Report: {report.write(output_dir, results)}")
    if ended.failed:
        sys.exit(OUT_OF_TIME if ended.out_of_time else 1)


@main.command()
@click.option("--out", required=True, help="New or empty folder.")
@click.option("--patients", default=128, help="Patients with labels.")
@click.option("--seed", default=0, help="The same seed gives the same bytes.")
@click.option("--max-eegs", default=3, help="Most EEGs of a patient; 0: as many as in reality.")
def sample(out, patients, seed, max_eegs):
    """Write a synthetic data set in the competition's layout."""
    with _plain_errors():
        from hms_utils import sample

        folder = Path(out).expanduser().resolve()
        sample.generate(folder, n_patients=patients, seed=seed, max_eegs=max_eegs)
        print(f"{out}: {patients} patients\n{paths.SYNTHETIC_NOTICE}")


@main.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--labels",
    required=True,
    help="CSV table of file, second, patient and class, or the six columns of votes.",
)
@click.option("--out", required=True, help="New or empty folder.")
def import_(files, labels, out):
    """Make a data set in the competition's layout of recordings of your own.

    Each FILE is a .edf, .bdf or .parquet recording of 50 s or more with electrodes.
    Those that the table does not name become test recordings. If a file or a row
    is wrong, all that are wrong are named and nothing is written.
    """
    with _plain_errors():
        from hms_utils import sample

        train, test = sample.import_recordings(files, labels, out)
    patients = train.patient_id.nunique()
    print(f"{out}: {len(train)} labels of {patients} patients, {len(test)} test recordings")
    print(f"Train on it: python -m hms_utils run --data-dir {shlex.quote(out)} --quick")


@main.command()
@click.option("--out", help="Folder [default: data/<competition> in the checkout].")
@click.option("--patients", default=0, help="So many patients, file by file; 0: all data.")
@click.option("--ids", default="", help='These patients, such as "42516,1045".')
def download(out, patients, ids):
    """Fetch the competition's data, 26 GB, from Kaggle, or that of some patients.

    It needs a Kaggle account that has accepted the competition's rules, and its
    API token. Interrupted, it goes on where it stopped.
    """
    folder = Path(out).expanduser() if out else paths.competition_dir()
    if patients or ids:
        with _plain_errors():
            chosen = _numbers(ids)
        print(f"Downloading {len(chosen) or patients} patients to {folder}")
        with _download_errors():
            from hms_utils.download import fetch_patients

            n_files = fetch_patients(folder, patients, chosen)
        with _plain_errors():
            print(f"Complete, {n_files} new files: {paths.find_data_dir(folder).path}")
        return
    if folder.is_dir() and any(folder.iterdir()):
        with _plain_errors():
            print(f"Already there: {paths.find_data_dir(folder).path}")
        return
    print(f"Downloading to {folder}")
    with _download_errors():
        import kagglehub

        # To its own cache first, where an interrupted download is resumed.
        fetched = Path(kagglehub.competition_download(COMPETITION))
        if not fetched.is_dir():  # moved away by an earlier call
            fetched = Path(kagglehub.competition_download(COMPETITION, force_download=True))
    with _plain_errors():
        paths.find_data_dir(fetched)
        if folder.is_dir():
            folder.rmdir()
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(fetched, folder)
        print(f"Complete: {paths.find_data_dir(folder).path}")


@main.command()
@click.argument("file")
@click.option("--test", required=True, help="The test.csv that the submission answers.")
def check(file, test):
    """Check a submission as Kaggle would.

    Errors are what Kaggle would refuse or score wrongly, in its words and order;
    with any the exit code is 1. Warnings are odd but would be scored.
    sample_submission.csv, where it lies beside test.csv, is compared too.
    """
    with _plain_errors():
        from hms_utils import answers, eeg

        expected = eeg.read_csv(test)
        example = Path(test).with_name("sample_submission.csv")
        findings = answers.diagnose(file, expected, example)
    for level, finding in findings.itertuples(index=False):
        print(f"{level:<9}{finding}")
    n_errors = int((findings.level == "error").sum())
    n_warnings = len(findings) - n_errors
    verdict = f"{n_errors} errors" if n_errors else f"valid, {expected.eeg_id.nunique()} rows"
    print(f"{file}: {verdict}, {n_warnings} warnings")
    sys.exit(1 if n_errors else 0)


@main.command()
@click.option("--output-dir", help="Where blend.json and models/ are [default: as for run].")
@click.option(
    "--out",
    help="Folder to write [default: kaggle/, with --train kaggle_train/, in the output folder].",
)
@click.option(
    "--user",
    help="Your name on Kaggle [default: KAGGLE_USERNAME, else that of ~/.kaggle/kaggle.json].",
)
@click.option("--train", is_flag=True, help="Pack the training for a GPU session instead.")
@click.option("--from-kaggle", is_flag=True, help="First fetch what such a session has trained.")
@click.option("--session", default=1, help="Which session; from 2 on it goes on from the last.")
def bundle(output_dir, out, user, train, from_kaggle, session):
    """Pack what Kaggle runs: package, models and notebook 6 for a submission.

    With --train instead package and notebooks 1 to 5, which train there and leave
    their models as output; with --from-kaggle these are fetched and packed.
    """
    if train and from_kaggle:
        raise click.UsageError("expected --train or --from-kaggle, found both")
    with _plain_errors():
        from hms_utils import answers

        user = answers.find_user(user)
        output_dir = paths.find_output_dir(output_dir)
        default = output_dir / ("kaggle_train" if train else "kaggle")
        out = Path(out).expanduser().resolve() if out else default
        if train:
            print(f"{out}{answers.write_training(out, user, session)}")
            return
        if from_kaggle:
            output_dir = output_dir / "from_kaggle"
            answers.fetch_training(output_dir, user, session)
        settings = answers.write_bundle(output_dir, out, user)
    folds = [f"{name} ({len(part['folds'])} folds)" for name, part in settings["models"].items()]
    print(f"{out}: {' and '.join(folds)}")
    if settings["synthetic"]:
        print("WARNING: the models are of SYNTHETIC data; the notebook will refuse the real test.")
    print(answers.next_steps(out, user))


@main.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--models", help="Folder with blend.json and models/ [default: the output folder].")
@click.option("--out", help="Where results go [default: predictions/ in the output folder].")
@click.option("--step", default=10, help="From one window to the next, an even number of seconds.")
@click.option(
    "--spectrogram",
    help="The competition's spectrogram of a single FILE [default: computed from the EEG].",
)
@click.option(
    "--engine",
    default="tensorflow",
    show_default=True,
    help="Or onnx: faster on a CPU, needs onnx, onnxruntime and tf2onnx.",
)
def predict(files, models, out, step, spectrogram, engine):
    """Predict recordings over time: tables, annotations and pictures.

    Each FILE is a .parquet of the competition or a clinical .edf or .bdf file of
    50 s or more. Of every window of 50 s the central 10 s are judged. A file that
    cannot be read stops no other. Research use only, not a medical device.
    """
    stems = [Path(file).stem for file in files]
    if again := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise click.UsageError(f"results are named after their files, found {again} several times")
    if spectrogram and len(files) > 1:
        raise click.UsageError(f"--spectrogram belongs to one FILE, found {len(files)}")
    with _plain_errors():
        from hms_utils import answers, eeg, images, networks

        ensemble = networks.Ensemble(paths.find_output_dir(models), engine)
        print("\n".join(answers.notices(ensemble.settings["synthetic"])))
    folder = Path(out).expanduser() if out else paths.find_output_dir() / "predictions"
    failed = 0
    for file in files:
        try:
            opened = eeg.open_recording(Path(file).expanduser())
            given = images.read_long_spectrogram(spectrogram, opened) if spectrogram else None
            print(f"{file}: {eeg.describe(opened)}")
            table, rows = answers.predict_recording(opened, ensemble, step=step, given=given)
            synthetic = ensemble.settings["synthetic"]
            for path in answers.write_predictions(opened, table, rows, folder, synthetic=synthetic):
                print(f"  {path}")
        except (ValueError, OSError, RuntimeError, ModuleNotFoundError) as error:
            failed += 1
            print(f"Failed: {error}", file=sys.stderr)
    if failed:
        raise click.ClickException(f"{failed} of {len(files)} files failed")


@main.command()
@click.option("--eeg", "file", required=True, help="A .parquet, .edf or .bdf recording.")
@click.option(
    "--at", type=float, help="Second of the recording in the window's centre [default: its middle]."
)
@click.option(
    "--spectrogram", help="The competition's spectrogram of it [default: computed from the EEG]."
)
@click.option("--votes", help='Experts\' votes in the order of the classes, such as "3,0,1,0,0,8".')
@click.option("--models", help="Folder with blend.json and models/ [default: the output folder].")
@click.option("--out", help="The picture [default: predictions/<name>_card.png, output folder].")
def card(file, at, spectrogram, votes, models, out):
    """Draw one window as an EEG reader knows it.

    EEG, spectrogram and prediction, beside the experts' votes where given. Without
    trained models the picture has no prediction and says so.
    Research use only, not a medical device.
    """
    with _plain_errors():
        from hms_utils import answers, eeg, images

        counts = answers.parse_votes(votes) if votes else None
        opened = eeg.open_recording(Path(file).expanduser())
        given = images.read_long_spectrogram(spectrogram, opened) if spectrogram else None
        folder = paths.find_output_dir(models)
        has_models = bool(models) or (folder / "blend.json").is_file()
        ensemble = None
        if has_models:
            from hms_utils.networks import Ensemble

            ensemble = Ensemble(folder)
        figure, prediction = answers.card_of_recording(
            opened, at, given=given, votes=counts, ensemble=ensemble
        )
        default = paths.find_output_dir() / "predictions" / f"{opened.path.stem}_card.png"
        target = Path(out).expanduser() if out else default
        with paths.replacing(target) as temporary:
            figure.savefig(temporary, dpi=100)
        print(f"{file}: {eeg.describe(opened)}\n  {target}")
        if not has_models:
            print(f"No prediction: no trained models in {folder}")
        elif prediction is None:
            print("No prediction: fewer than 8 of 16 differences have a signal in the middle")
        else:
            print(", ".join(f"{n} {p:.2f}" for n, p in zip(CLASSES, prediction, strict=True)))
        print(figure.get_supxlabel())
