"""Covariates: columns of a log that models may use, one value per customer."""

import io

import numpy as np
import pandas as pd
import pytest

from clvsim.data import DataConfig, quality, read_transactions, summarize
from clvsim.errors import ConfigError

LOG = """customer_id,date,amount,age,vip,note
a,2024-01-01,10,,yes,x
a,2024-02-01,12,31,yes,y
a,2024-03-01,12,32,no,z
b,2024-01-05,9,40.5,,7
b,2024-04-05,9,40.5,,8
c,2024-01-09,5,,no,
"""


def read(text=LOG, **settings):
    frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    return read_transactions(frame, DataConfig(covariates=("age", "vip"), **settings))


def test_the_first_value_counts_as_number_or_as_word():
    frame = summarize(read()).customers
    np.testing.assert_array_equal(frame["covariate age"], [31.0, 40.5, np.nan])
    assert frame["covariate vip"].tolist() == ["yes", "", "no"]
    assert "covariate note" not in frame


def test_what_comes_after_today_is_not_known_yet():
    frame = summarize(read(calibration_end="2024-01-31")).customers
    np.testing.assert_array_equal(frame["covariate age"], [np.nan, 40.5, np.nan])


def test_numbers_with_a_decimal_comma():
    frame = summarize(read(LOG.replace("40.5", '"40,5"').replace(",10,", ',"10,5",'), decimal=",")).customers
    assert frame["covariate age"].tolist()[:2] == [31.0, 40.5]


def test_several_values_of_one_customer_are_reported():
    log = read()
    lines = {line.key: line for line in quality(log, summarize(log))}
    assert lines["covariate age"].value == "1"
    assert lines["covariate vip"].level == "warning"


def test_they_are_part_of_what_identifies_the_data():
    assert read().data_hash != read(LOG.replace("a,2024-02-01,12,31", "a,2024-02-01,12,30")).data_hash
    assert read().data_hash == read(LOG.replace(",z", ",q")).data_hash


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"data\.covariates: no column 'vip'"):
        read(LOG.replace("vip", "gold"))
