"""Every number that README and the docs quote, recomputed from the committed results; ``--check`` fails if one differs.

    python -m benchmarks.report            # write what is generated, and the manifest of the results
    python -m benchmarks.report --check    # exit 1, and say which part differs

results       README between <!-- results --> and <!-- /results -->: the tables of `benchmarks.readme`
docs/speed.md, docs/zoo.md, and what `benchmarks.run --write` wrote: whole pages
further marks literature, literature-summary, suite, latency, rehearsal: where README or a page of docs has them
claims        numbers in README's own sentences
manifest      benchmarks/results/manifest.json against the files beside it
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import gallery, readme, rehearsal, run
from benchmarks.literature import comparing
from benchmarks.micro import latency
from benchmarks.record import RESULTS, check_manifest, write_manifest

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Part:
    """One file with something generated in it: what stands there, and what should."""

    name: str
    path: Path
    found: str
    wanted: str

    @property
    def right(self) -> bool:
        """Whether both are the same."""
        return self.found == self.wanted


SECTIONS: Mapping[str, Callable[[], str]] = {
    "results": readme.section,
    "literature": comparing.markdown,
    "literature-summary": comparing.summary,
    "latency": latency.markdown,
    "suite": lambda: run.committed("suite"),
    "rehearsal": rehearsal.markdown,
}
"""Mark → what stands between it and its end."""


def filled(text: str) -> str:
    """A page with everything between known marks made anew.

    Raises
    ------
    ValueError
        A mark has no end, or its result is not there.
    """
    for name, make in SECTIONS.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if start not in text:
            continue
        if end not in text[text.index(start) :]:
            raise ValueError(f"{start} has no {end} after it")
        before, rest = text.split(start, 1)
        try:
            inside = make()
        except FileNotFoundError as error:
            raise ValueError(f"{start}: {Path(error.filename).name} was not measured yet") from error
        text = f"{before}{start}\n{inside}\n{end}{rest.split(end, 1)[1]}"
    return text


def pages(root: Path = ROOT, results: Path = RESULTS) -> list[Part]:
    """README, the docs, and the pages of results, as they are and as they should be."""
    whole = {
        readme.SPEED.relative_to(readme.README.parent): readme.speed_page,
        gallery.PAGE.relative_to(readme.README.parent): gallery.page,
    }
    out = []
    for path in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        found = path.read_text(encoding="utf-8")
        name = path.relative_to(root)
        out.append(Part(str(name), path, found, whole[name]() if name in whole else filled(found)))
    for path in sorted(results.glob("*.md")):
        found = path.read_text(encoding="utf-8")
        if run.MARK in found:
            out.append(Part(path.name, path, found, run.page(path.stem, results)))
    return out


@dataclass(frozen=True)
class Claim:
    """A sentence of README with numbers in it.

    Parameters
    ----------
    about : str
    pattern : str
        Regular expression with one group a number.
    truth : callable
        → what the groups must say.
    """

    about: str
    pattern: str
    truth: Callable[[], tuple[str, ...]]

    def check(self, text: str) -> str:
        """What is wrong, in words; empty if nothing is. A sentence that is gone claims nothing."""
        found = re.search(self.pattern, text, re.DOTALL)
        wanted = self.truth()
        if found is None or found.groups() == wanted:
            return ""
        return f"README says {self.about} {', '.join(found.groups())}; it is {', '.join(wanted)}"


def _strategies() -> tuple[str, ...]:
    from strategy_zoo import names

    return (str(len(names())),)


def _python() -> tuple[str, ...]:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return (project["requires-python"].removeprefix(">="),)


def _stages() -> tuple[str, ...]:
    from metaal import Schedule

    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return tuple(words[stage[1]] for stage in Schedule().stages[:2])


CLAIMS = (
    Claim("how many strategies there are", r"(\d+) querying strategies", _strategies),
    Claim("which Python is needed", r"Python (\d+\.\d+) or newer", _python),
    Claim("how long the schedule's stages are", r"TypiClust for (\w+) loops,\s+clustered\s+margin for (\w+)", _stages),
)


def problems(root: Path = ROOT, results: Path = RESULTS) -> list[str]:
    """Everything that differs, in words."""
    try:
        wrong = [f"{part.name} differs from benchmarks/results" for part in pages(root, results) if not part.right]
    except ValueError as error:
        return [str(error)]
    text = (root / "README.md").read_text(encoding="utf-8")
    wrong += [said for claim in CLAIMS if (said := claim.check(text))]
    return wrong + [f"manifest: {said}" for said in check_manifest(results)]


def main(arguments: list[str] | None = None) -> None:
    """Write, or check."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if anything differs")
    if parser.parse_args(arguments).check:
        wrong = problems()
        if wrong:
            sys.exit("\n".join([*wrong, "python -m benchmarks.report writes what is generated"]))
        print("every number of README and the docs is that of benchmarks/results")
        return
    try:
        found = pages()
    except ValueError as error:
        sys.exit(str(error))
    for part in found:
        if not part.right:
            part.path.write_text(part.wanted, encoding="utf-8")
            print(f"wrote {part.name}")
    print(f"wrote {write_manifest().name}")
    left = problems()
    if left:
        sys.exit("\n".join(left))


if __name__ == "__main__":
    main()
