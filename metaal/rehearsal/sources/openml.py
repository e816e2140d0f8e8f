"""Sets of OpenML by their number, through scikit-learn's `fetch_openml` and its cache.

The cache is scikit-learn's (``~/scikit_learn_data``, or where ``SCIKIT_LEARN_DATA`` points): a set is fetched once.
"""

from __future__ import annotations

import re
import warnings
from typing import Any
from urllib.error import HTTPError, URLError

from metaal.errors import TaskError
from metaal.rehearsal.dataset import Dataset, make_dataset
from metaal.rehearsal.sources.columns import find_target, usable


def read_openml(number: str | int, target: str | None = None, *, family: str = "", kind: str | None = None) -> Dataset:
    """Fetch a set of OpenML.

    Parameters
    ----------
    number : str or int
        The set's id: 61 is iris, version 1. An id names one version for ever.
    target : str, optional
        Default: the set's own default target.
    family : str
        Default: the set's name at OpenML, without the version, so that versions of one set are kept together.
    kind : {"classification", "regression"}, optional
        Default: what the target says: nominal ones are classes (`make_dataset`).

    Returns
    -------
    Dataset
        Named ``openml_ID``.

    Raises
    ------
    TaskError
        No network, no such id, a version that OpenML has withdrawn, or a file that differs from its checksum.
    """
    where = f"openml:{number}"
    try:
        wanted = int(str(number).strip())
        if wanted < 1:
            raise ValueError
    except ValueError:
        raise TaskError(
            f"{where}: {str(number)!r} is not an id; expected a whole number ≥ 1, as in openml:61"
        ) from None
    bunch = _fetch(where, wanted, None)
    details = bunch.details
    if str(details.get("status", "active")) != "active":
        raise TaskError(
            f"{where}: version {details.get('version')} of {details.get('name')!r} is {details['status']}: OpenML has "
            "withdrawn it because issues were found; pass the id of an active version"
        )
    target = target or details.get("default_target_attribute")
    # Read without a target, the table keeps rows whose label is missing, which fetch_openml refuses.
    if hasattr(bunch.data, "toarray"):
        from metaal.rehearsal.sources.sparse import dense

        bunch = _fetch(where, wanted, find_target(where, bunch.feature_names, target))
        features, labels = dense(where, bunch.data, bunch.feature_names), bunch.target
    else:
        column = find_target(where, bunch.data.columns, target)
        labels = bunch.data[column]
        features = usable(where, bunch.data.drop(columns=[column]), set())
    return make_dataset(f"openml_{wanted}", features, labels, family=family or str(details["name"]), kind=kind)


def _fetch(where: str, number: int, target: str | None) -> Any:
    """A set with all its columns among the features, unless a target is named."""
    from sklearn.datasets import fetch_openml

    if target is not None and "," in target:
        raise TaskError(f"{where}: several targets ({target}); name one of them")
    try:
        with warnings.catch_warnings():
            # What these say is in the errors below, should the next try fail too.
            warnings.filterwarnings("ignore", message="A network error occurred")
            warnings.filterwarnings("ignore", message="(?s).*is inactive, meaning that issues")
            warnings.filterwarnings("ignore", message="Invalid cache, redownloading")
            return fetch_openml(data_id=number, target_column=target, as_frame="auto", parser="auto")
    except HTTPError as error:
        error.close()
        raise TaskError(
            f"{where}: OpenML answered {error.code} ({error.reason}); " + _advice(error.code) + "; try again later"
        ) from error
    except (URLError, TimeoutError, ConnectionError) as error:
        raise TaskError(
            f"{where}: OpenML cannot be reached ({getattr(error, 'reason', error)}) and the set is not in "
            "scikit-learn's cache; fetch it once on a machine with a network and copy the folder that "
            "SCIKIT_LEARN_DATA names, or pass a file"
        ) from error
    except (ValueError, KeyError) as error:
        text = str(error)
        if "not found" in text:
            raise TaskError(
                f"{where}: OpenML has no set with this id; look it up at its web page, or pass a file"
            ) from error
        if "checksum" in text:
            sums = re.search(r"expected \w+ but got \w+", text)
            raise TaskError(
                f"{where}: the file differs from OpenML's checksum ({sums[0] if sums else text[:160]}); it was cut or "
                "changed on its way: try again, and if it stays so, another version"
            ) from error
        raise TaskError(f"{where}: cannot be read ({type(error).__name__}: {text[:300]})") from error


def _advice(code: int) -> str:
    return "it has no such set" if code == 404 else "the service has a problem or refuses so many requests"
