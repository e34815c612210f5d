"""Addresses of objects in stores: typed, in lists, with keys in them, and in studies, which must not have any."""

from hypothesis import strategies as st

from tests.fuzz.cases import CANARY, SECRET, Case
from tests.fuzz.databases import quoted_word
from tests.fuzz.nasty import texts
from tests.fuzz.surroundings import FILES

NOWHERE = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "AKIA0000",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_EC2_METADATA_DISABLED": "true",
}
addresses = st.one_of(
    st.sampled_from(
        (
            *(
                "s3://shop/o.csv",
                "s3://shop/*.csv",
                "s3://shop/**/o.parquet",
                "s3://shop/year=2024/o.csv",
                "S3://shop/o.csv",
            ),
            *(
                "s3://",
                "s3:///o.csv",
                "s3://shop",
                "s3://shop/",
                "s3://../o.csv",
                "s3://shop/../../etc/passwd",
                "s3://.:1/x",
            ),
            *(f"s3://AKIA0000:{SECRET}@shop/o.csv", f"s3://{SECRET}@shop/o.csv", f"s3://AKIA:{SECRET}/+@shop/o.csv"),
            *(f"s3://shop/o.csv?X-Amz-Signature={SECRET}", f"s3://shop/o.csv?a=b&secret={SECRET}", "s3://shop/a?b[c"),
            *("gs://shop/o.csv", "az://shop/o.csv", "http://127.0.0.1:1/o.csv", "file:///etc/passwd", "memory://o.csv"),
            *("clvsimobject://0", "local://o.csv", "simplecache::s3://shop/o.csv", "zip://o.csv::s3://shop/o.zip"),
            *(
                f"s3://shop/$(touch {CANARY}).csv",
                "s3://shop/${oc.env:SECRET}",
                "s3://shop/" + "x" * 2000,
                "s3://shop/[[",
            ),
        )
    ),
    texts.map(lambda text: f"s3://shop/{text}"),
    texts.map(lambda text: f"s3://{text}"),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """An address in one of the places that a path can have; nobody answers, and without the extra nobody is asked."""
    address = "".join(sign for sign in draw(addresses) if sign.isprintable())
    stage = draw(st.sampled_from(("check", "run")))
    match draw(st.sampled_from(("word", "key", "list", "summary", "study", "sweep"))):
        case "word":
            words: tuple[str, ...] = (stage, address)
        case "key":
            words = (stage, "data=csv", f"data.path={quoted_word(address)}")
        case "list":
            words = (stage, "data=csv", f"data.path=[o.csv,{quoted_word(address)}]")
        case "summary":
            words = (
                stage,
                "data=summary",
                f"data.path={quoted_word(address)}",
                "data.today=2024-06-30",
                "data.time_unit=day",
            )
        case "sweep":
            text = f"hydra: {{mode: MULTIRUN, sweeper: {{params: {{data.path: {quoted(address)}}}}}}}"
            return _study(stage, text)
        case _:
            return _study(stage, f"data: {{path: {quoted(address)}}}")
    return Case(words, FILES, NOWHERE, may_pass=False)


def _study(stage: str, text: str) -> Case:
    content = f"# @package _global_\ndefaults: [override /data: csv]\n{text}\n"
    files = {**FILES, "experiments/own.yaml": content.encode(errors="replace")}
    return Case((stage, "experiment=own"), files, NOWHERE, may_pass=False)


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
