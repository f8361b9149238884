import csv
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.preprocessing.picture import ImagePreprocessing
from training.datasets import chest_nih, chest_normal_adults, chest_xray, ham10000, isic2017, pictures
from training.datasets.pictures import load_tensors, rows_of, verify_counts
from training.errors import DatasetError


def test_ham10000_reads_both_parts_with_lesion_and_strata(ham10000: Path) -> None:
    samples = _ham(ham10000)
    assert [sample.path.stem for sample in samples] == ["ISIC_1", "ISIC_2", "ISIC_3", "ISIC_4"]
    assert [sample.group for sample in samples] == ["lesion_a", "lesion_b", "lesion_a", "lesion_c"]
    assert [sample.strata["resolution"] for sample in samples] == ["sharp", "sharp", "soft", "soft"]
    assert [sample.strata["age"] for sample in samples] == ["40-59", "unknown", "40-59", "60+"]


def test_a_missing_folder_shows_the_layout_and_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"(?s)HAM10000_images_part_1.*missing.*Expected layout.*doi:"):
        _ham(tmp_path)


def test_a_picture_missing_from_ham10000_is_named(ham10000: Path) -> None:
    (ham10000 / "HAM10000_images_part_1" / "ISIC_2.jpg").unlink()
    with pytest.raises(DatasetError, match=r"1 pictures.*ISIC_2\.jpg"):
        _ham(ham10000)


def test_kermany_joins_validation_to_development(chest_xray: Path) -> None:
    development, test = _kermany(chest_xray, "development"), _kermany(chest_xray, "test")
    assert (len(development), len(test)) == (6, 3)
    assert {sample.path.parent.parent.name for sample in development} == {"train", "val"}


def test_kermany_leaves_byte_identical_copies_out_of_development(chest_xray: Path) -> None:
    with (chest_xray / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "group_id", "subtype", "dup_of"])
        rows.writerow(["train/NORMAL/IM-0100-0001.jpeg", "g", "normal", "val/NORMAL/IM-0101-0001.jpeg"])
    assert len(_kermany(chest_xray, "development")) == 5


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person12_bacteria_48.jpeg", "person12_bacteria"),
        ("person12_virus_3.jpeg", "person12_virus"),
        ("IM-0115-0001.jpeg", "IM-0115_normal"),
        ("NORMAL2-IM-1300-0001.jpeg", "N2-IM-1300_normal"),
        ("other.jpeg", "other.jpeg"),
    ],
)
def test_kermany_patient_from_the_file_name(name: str, patient: str) -> None:
    assert chest_xray_module.patient_group(name) == patient


def test_nih_groups_by_patient(tmp_path: Path, write_picture) -> None:  # type: ignore[no-untyped-def]
    write_picture(tmp_path / "NORMAL" / "a.jpeg", (64, 64))
    write_picture(tmp_path / "PNEUMONIA" / "b.jpeg", (64, 64))
    (tmp_path / "labels.csv").write_text(
        "file,label,patient_id\nNORMAL/a.jpeg,NORMAL,7\nPNEUMONIA/b.jpeg,PNEUMONIA,7\n"
    )
    samples = chest_nih.load(tmp_path)
    assert [(sample.label, sample.group) for sample in samples] == [(0, "nih:7"), (1, "nih:7")]
    (tmp_path / "PNEUMONIA" / "b.jpeg").unlink()
    with pytest.raises(DatasetError, match=r"PNEUMONIA/b\.jpeg"):
        chest_nih.load(tmp_path)


def test_nih_tells_the_view_where_it_is_listed(tmp_path: Path, write_picture) -> None:  # type: ignore[no-untyped-def]
    write_picture(tmp_path / "NORMAL" / "a.jpeg", (64, 64))
    write_picture(tmp_path / "NORMAL" / "b.jpeg", (64, 64))
    (tmp_path / "labels.csv").write_text("file,label,patient_id\nNORMAL/a.jpeg,NORMAL,7\nNORMAL/b.jpeg,NORMAL,8\n")
    (tmp_path / "views.csv").write_text("file,view,age\nNORMAL/a.jpeg,PA,61\n")
    listed, unlisted = (sample.strata for sample in chest_nih.load(tmp_path))
    assert (listed["view"], listed["cell"], listed["age"]) == ("PA", "nih_pa", "60+")
    assert (unlisted["view"], unlisted["cell"], unlisted["age"]) == ("unknown", "nih_ap", "unknown")


def test_sharp_pictures_replace_soft_ones_and_add_none(ham10000: Path, write_picture) -> None:  # type: ignore[no-untyped-def]
    sharp = ham10000.parent / "ham10000_sharp"
    write_picture(sharp / "Images" / "ISIC_4.jpg", (224, 224))
    write_picture(sharp / "Images" / "ISIC_9.jpg", (224, 224))
    before, after = _ham(ham10000), ham_module.load(ham10000, sharp)
    assert [(sample.group, sample.label) for sample in before] == [(sample.group, sample.label) for sample in after]
    assert [sample.strata["resolution"] for sample in after] == ["sharp", "sharp", "soft", "sharp"]
    assert after[3].path == sharp / "Images" / "ISIC_4.jpg"


def test_normal_adults_have_a_fixed_half_that_is_held_back(tmp_path: Path, write_picture) -> None:  # type: ignore[no-untyped-def]
    names = [f"Normal-{number}" for number in range(60)]
    for name in names:
        write_picture(tmp_path / "Images" / f"{name}.jpg", (8, 8))
    rows = "".join(f"Images/{name}.jpg,NORMAL,{name}\n" for name in names)
    (tmp_path / "labels.csv").write_text(f"file,label,group\n{rows}")
    samples = chest_normal_adults.load(tmp_path)
    assert {sample.label for sample in samples} == {0}
    held_back = [sample.path.stem for sample in samples if chest_normal_adults.held_back(sample)]
    assert 20 <= len(held_back) <= 40
    assert held_back[:3] == ["Normal-1", "Normal-11", "Normal-15"]


def test_isic_2017_has_the_indices_of_the_seven_classes(tmp_path: Path, write_picture) -> None:  # type: ignore[no-untyped-def]
    write_picture(tmp_path / "Images" / "a.jpg", (8, 8))
    (tmp_path / "labels.csv").write_text("file,label,group\nImages/a.jpg,mel,a\n")
    assert [ham_module.CLASSES[sample.label] for sample in isic2017.load(tmp_path)] == ["mel"]
    (tmp_path / "Images" / "a.jpg").unlink()
    with pytest.raises(DatasetError, match=r"a\.jpg"):
        isic2017.load(tmp_path)


def test_verify_names_wrong_counts_and_damaged_pictures(ham10000: Path) -> None:
    damaged = ham10000 / "HAM10000_images_part_1" / "ISIC_1.jpg"
    samples = _ham(ham10000)
    damaged.write_bytes(damaged.read_bytes()[:300])
    problems = verify_counts(samples, ham_module.CLASSES, {"nv": 2, "mel": 3})
    assert problems[0] == "mel: 1 pictures, published 3"
    assert [problem.split(":")[0] for problem in problems[1:]] == ["ISIC_1.jpg"]


def test_runs_side_by_side_share_a_cache(ham10000: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples, spec = _ham(ham10000), ImagePreprocessing(size=32, framing="middle_square")
    together = threading.Barrier(2, timeout=10)
    read = pictures._read

    def slowly(sample: pictures.Sample, spec: ImagePreprocessing) -> NDArray[np.uint8]:
        if sample is samples[0]:
            together.wait()
        return read(sample, spec)

    monkeypatch.setattr(pictures, "_read", slowly)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: load_tensors(samples, spec, tmp_path / "cache"), range(2)))
    np.testing.assert_array_equal(found[0], found[1])
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".npy"]


def test_tensors_come_from_the_services_preprocessing_and_from_the_cache_alike(ham10000: Path, tmp_path: Path) -> None:
    spec = ImagePreprocessing(size=32, framing="middle_square")
    samples = _ham(ham10000)
    fresh = load_tensors(samples, spec, tmp_path / "cache")
    cached = load_tensors(samples, spec, tmp_path / "cache")
    assert fresh.shape == (4, 32, 32, 3)
    assert fresh.dtype == np.uint8
    np.testing.assert_array_equal(fresh, cached)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_parts_of_a_pool_are_kept_once(ham10000: Path, tmp_path: Path) -> None:
    spec, pool = ImagePreprocessing(size=32, framing="middle_square"), _ham(ham10000)
    part = [pool[3], pool[0]]
    rows = rows_of(part, pool, spec, tmp_path / "cache")
    rows_of(pool[1:], pool, spec, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 1
    expected = load_tensors(part, spec)
    assert len(rows) == 2
    np.testing.assert_array_equal(np.asarray(rows), expected)
    np.testing.assert_array_equal(rows[1:], expected[1:])
    np.testing.assert_array_equal(rows[np.array([1, 1, 0])], expected[[1, 1, 0]])


ham_module, chest_xray_module = ham10000, chest_xray
_ham, _kermany = ham10000.load, chest_xray.load
