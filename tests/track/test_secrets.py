"""What is masked, what is left alone, and what a masked text keeps."""

from __future__ import annotations

import ast

import pytest

from nnwidgets.track.sources._secrets import mask

# None of them opens anything.
RANDOM = "q7Rz2LxP9vKd4TnW8sYb"
HEXADECIMAL = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIIEpAIBAAKCAQEA7bq2f9mX\nQ2hhcmxpZSBpcyBub3Qga2V5\nab12==\n"
    "-----END RSA PRIVATE KEY-----"
)
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"

SECRETS = {
    "openai": (f'client = OpenAI("sk-proj-{RANDOM}")', RANDOM),
    "anthropic": (f"# sk-ant-api03-{RANDOM}", RANDOM),
    "hugging face": (f"!huggingface-cli download --token hf_{RANDOM}abcd", RANDOM),
    "github": (f"x = 'ghp_{RANDOM}{RANDOM}'", RANDOM),
    "github, fine-grained": (f"x = 'github_pat_{RANDOM}_{RANDOM}'", RANDOM),
    "gitlab": (f"git clone https://oauth2:glpat-{RANDOM}@gitlab.com/a/b", RANDOM),
    "amazon": ('boto3.client("s3", aws_access_key_id="AKIAIOSFODNN7EXAMPLE")', "IOSFODNN7"),
    "amazon's secret": ('aws_secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"', "wJalr"),
    "google": (f"# AIza{RANDOM}{RANDOM}", RANDOM),
    "slack": (f'slack = "xoxb-123456789012-{RANDOM}"', RANDOM),
    "a web token": (f"x = fetch('{TOKEN}')", "dozjg"),
    "a header": (f'headers = {{"Authorization": "Bearer {RANDOM}"}}', RANDOM),
    "a header in words": ("curl -H 'Authorization: Basic dXNlcjpwYXNz'", "dXNlcjpwYXNz"),
    "a header with a plain key": ("curl -H 'authorization: 0123abcd'", "0123abcd"),
    "an address": ('engine = create_engine("postgresql://ann:hunter2@localhost/db")', "hunter2"),
    "a private key": (f'pem = """{PEM}"""', "Q2hhcm"),
    "a private key's last line": (f'pem = """{PEM}"""', "ab12"),
    "a private key in pieces": ('k = ("-----BEGIN PRIVATE KEY-----\\n"\n"MIIEpAIBAAKCAQEA7bq2f9mX\\n")', "MIIE"),
    "a private key that is cut": (PEM[:80], "Q2hhcm"),
    "wandb": (f'wandb.login(key="{HEXADECIMAL}")', HEXADECIMAL),
    "wandb, by position": (f'wandb.login("{HEXADECIMAL}")', HEXADECIMAL),
    "a name": (f'API_KEY = "{RANDOM}"', RANDOM),
    "single quotes": (f"apikey='{RANDOM}'", RANDOM),
    "an annotated name": (f'access_token: str | None = "{RANDOM}"', RANDOM),
    "bytes": (f'signing_key = b"{RANDOM}"', RANDOM),
    "two pieces": (f'token = (\n    "{RANDOM}"\n    "{HEXADECIMAL}"\n)', HEXADECIMAL),
    "an attribute": (f'openai.api_key = "{RANDOM}"', RANDOM),
    "a dict": (f'config = {{"lr": 1e-3, "api_token": "{RANDOM}"}}', RANDOM),
    "the environment": (f'os.environ["WANDB_API_KEY"] = "{HEXADECIMAL}"', HEXADECIMAL),
    "the environment, set": (f'os.environ.setdefault("COMET_API_KEY", "{RANDOM}")', RANDOM),
    "a magic": (f"%env COMET_API_KEY={RANDOM}", RANDOM),
    "a shell": (f"!export HF_TOKEN={RANDOM} && ls", RANDOM),
    "an option": (f"!train --api-key {RANDOM}", RANDOM),
    "a default": (f'def load(path, token="{RANDOM}"):\n    return path', RANDOM),
    "a short password": ('db = connect(user="ann", password="hunter2")', "hunter2"),
    "passwd": ("passwd = 'letmein'", "letmein"),
    "a client's secret": ('client_secret = "abcdefgh"', "abcdefgh"),
    "several lines": (f'secret = """{RANDOM}\n{RANDOM}"""\nx = 1', RANDOM),
    "letters that grow when they are made small": (f'x = "İİİİ"\nAPI_KEY = "{RANDOM}"', RANDOM),
    "a diff": (f'+API_KEY = "{RANDOM}"\n-x = 1', RANDOM),
}

NO_SECRETS = [
    "key = jax.random.key(0)",
    "key, subkey = jax.random.split(key)",
    'keys = jax.random.split(jax.random.key(0), 3)\nrngs = {"params": keys[0], "dropout": keys[1]}',
    'rngs={"params": key}',
    "seed = 1234",
    "key = jax.random.PRNGKey(20240229)",
    "key_data = np.array([0xDEADBEEF, 0x12345678], np.uint32)",
    f'expected_hash = "{HEXADECIMAL}"',
    f'assert digest == "{HEXADECIMAL}"',
    f'key_hash = "{HEXADECIMAL}"',
    f'commit = "{HEXADECIMAL}"',
    'token = "<eos>"',
    'pad_token="[PAD]", mask_token="[MASK]"',
    'tokenizer = AutoTokenizer.from_pretrained("distilbert-base-uncased-finetuned-sst-2-english")',
    'key = "params/Dense_0/kernel"',
    'key = "encoder.layers.11.attention.self.query.weight"',
    'sorted(runs, key="validation/accuracy_top_5")',
    'key = "XLA_PYTHON_CLIENT_MEM_FRACTION"',
    'key = "LayerNorm2DBlock"',
    'key = "softmax_cross_entropy_with_integer_labels"',
    'token = os.environ["HF_TOKEN"]',
    'password = getpass.getpass("Password of the database: ")',
    'secret_name = "projects/mine/secrets/model"',
    'password_file = "/run/secrets/password"',
    "secret = load_secret()",
    'password = ""',
    'if key == "abcdef0123456789abcdef0123456789":\n    pass',
    'url = f"postgresql://{user}:{password}@{host}/db"',
    'headers = {"Authorization": f"Bearer {token}"}',
    "# the bearer of authentication-information is not a secret",
    'url = "https://example.org:8080/data@v2"',
    'if "-----BEGIN PRIVATE KEY-----" in text:\n    raise ValueError("that is a key")',
    "from sk_learn import task_specific_model_for_segmentation_2",
    'name = "ask-the-2nd-question-about-segmentation"',
    "hf_transformers_config = load_hf_transformers_config()",
    'text = "keyboard", "monkey business with 12 monkeys"',
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_masked(name: str) -> None:
    text, secret = SECRETS[name]
    masked = mask(text)
    assert secret in text and secret not in masked and "***" in masked


@pytest.mark.parametrize("text", NO_SECRETS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize("name", SECRETS)
def test_lines_keep_their_numbers_and_code_parses(name: str) -> None:
    text, _ = SECRETS[name]
    masked = mask(text)
    assert masked.count("\n") == text.count("\n")
    try:
        ast.parse(text)
    except SyntaxError:
        return
    ast.parse(masked)


@pytest.mark.parametrize("name", SECRETS)
def test_masking_twice_is_masking_once(name: str) -> None:
    masked = mask(SECRETS[name][0])
    assert mask(masked) == masked


def test_what_stands_around_a_secret_stays() -> None:
    code = f'import wandb\nwandb.login(key="{HEXADECIMAL}")  # mine\nlr = 1e-3\n'
    assert mask(code) == 'import wandb\nwandb.login(key="***")  # mine\nlr = 1e-3\n'


def test_a_name_that_looks_like_a_key_stays_a_name() -> None:
    code = "AKIAIOSFODNN7EXAMPLE = 3\nprint(AKIAIOSFODNN7EXAMPLE)"
    assert ast.dump(ast.parse(mask(code))) == ast.dump(ast.parse("masked = 3\nprint(masked)"))


def test_this_packages_own_code_holds_no_secret() -> None:
    from pathlib import Path

    files = sorted((Path(__file__).parents[2] / "nnwidgets").rglob("*.py"))
    assert len(files) > 100
    changed = [str(file) for file in files if mask(text := file.read_text(encoding="utf-8")) != text]
    # the example in mask's own docstring
    assert [file.rpartition("/")[2] for file in changed] == ["_secrets.py"]
