"""Fixtures that more than one folder of tests uses; what is costly is made once a session."""

import shutil
import subprocess

import pytest
from hypothesis import settings

from jobs.cli import main
from tests.running import COMMON, Ran, duologue, once, tiny_tokenizer, write_corpus

# A busy machine is no fault of the code.
settings.register_profile("duologue", deadline=None)
settings.load_profile("duologue")


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory):
    """A tokenizer.json with `<eos>`."""

    def make(folder):
        folder.mkdir()
        (folder / "tokenizer.json").write_text(tiny_tokenizer())

    return once(tmp_path_factory.getbasetemp(), "tokenizer", make) / "tokenizer.json"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """`write_corpus`; read it, or copy it before you change it."""
    return once(tmp_path_factory.getbasetemp(), "corpus", write_corpus)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, corpus, tokenizer_file):
    """The output of one undisturbed run on `corpus`; read it, or copy it before you change it."""

    def make(out):
        argv = ["prepare", corpus, "--out", out, "--tokenizer", tokenizer_file, "--workers", 1]
        ran = duologue(*argv, *COMMON)
        assert ran.code == 0, ran.err

    return once(tmp_path_factory.getbasetemp(), "prepared", make)


@pytest.fixture
def run(capsys):
    """A command in this process; each start of its own would take as long as many of them."""

    def ended(*argv):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, argv)])
        return Ran(ended.value.code or 0, *capsys.readouterr())

    return ended


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window; its driver is given, so nothing is looked for elsewhere."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium and chromedriver: apt-get install them")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    # As root, in containers with a small /dev/shm.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture
def small_disk(tmp_path):
    """A function that makes a file system of a size, and changes the size of one that is there."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def resize(size_kib):
        remount = ["-o", "remount"] if disk.is_mount() else []
        options = ["-t", "tmpfs", *remount, "-o", f"size={size_kib}k"]
        done = subprocess.run(["mount", *options, "tmpfs", disk], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("mounting a small file system needs root")
        return disk

    yield resize
    if disk.is_mount():
        subprocess.run(["umount", "--lazy", disk], check=True)
