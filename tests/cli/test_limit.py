"""A few images of a large bucket."""

import json

import jobs
import servers
from variegate.storage import sampled


def test_a_few_images_of_a_bucket_without_listing_all(tmp_path, run, monkeypatch):
    monkeypatch.setattr(sampled, "_PAGE", 4)
    data = jobs.draw_noise(tmp_path / "one.jpg").read_bytes()
    with servers.moto() as url:
        for name, value in {**servers.CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        s3 = servers.s3_client(url)
        s3.create_bucket(Bucket="raw")
        for number in range(60):
            s3.put_object(Bucket="raw", Key=f"set/{'abc'[number % 3]}/{number:02}.jpg", Body=data)
        arguments = ("augment", "s3://raw/set", tmp_path / "out", "--limit", 6, "-w", 0)
        result = run(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        assert "only 24 names were listed, spread over the folders" in result.stderr
        assert json.loads(result.stdout)["counts"]["augmented"] == 6
        assert {path.parent.name for path in (tmp_path / "out").rglob("*.jpg")} == {"a", "b", "c"}
        again = run(*arguments)
        assert "already complete" in again.stdout
        whole = run("augment", "s3://raw/set", tmp_path / "2", "-w", 0, "--preset", "chain")
        assert "60 images" in whole.stderr
        assert "names were listed" not in whole.stderr
