"""A hospital's engine for journeys with images: a modality that sends to it over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from channels._dicom.part10 import read_head
from tests.channels.dicom.dispatching import endpoint, way_out
from tests.channels.dicom.instances import CT, part10
from tests.journeys.hospital import Hospital, hospital

ROUTE = "route: images\nfrom: images\nto: [pacs.archive]\n"
CONFIG = """
listen:
  images: {{dicom: "127.0.0.1:{port}", partner: ct1{listener}}}
{listen}
partners:
  ct1: {{}}
  pacs: {{endpoints: {{archive: {{dicom: "127.0.0.1:{archive}", ae_title: {title}, phi: full{endpoint}}}}}}}
"""


def written(
    archive: int,
    *,
    port: int = 0,
    title: str = "STORE",
    listener: str = "",
    listen: str = "",
    endpoint: str = "",
) -> str:
    """Return the configuration of an engine whose images go to an archive; what is given goes into its mappings."""
    keys = {"listener": listener, "listen": listen, "endpoint": endpoint}
    return CONFIG.format(
        archive=archive,
        port=port,
        title=title,
        **{k: f", {v}" if v and k != "listen" else v for k, v in keys.items()},
    )


def study(number: int, count: int, *, pixels: int = 2_000) -> dict[str, bytes]:
    """Return the instances of a made-up study, by their UIDs."""
    uids = [f"2.25.{number}{each:04}" for each in range(1, count + 1)]
    return {uid: part10(uid, sop_class=CT, pixels=pixels, study=f"2.25.{number}") for uid in uids}


async def sent(engine: Hospital, folder: Path, instances: Mapping[str, bytes] | Sequence[bytes]) -> None:
    """Send instances on one association, as a modality does; each is answered 0000."""
    contents = instances.values() if isinstance(instances, Mapping) else instances
    port = int(engine.engine.supervisor.addresses["images"].rpartition(":")[2])
    to = endpoint(port).model_copy(update={"ae_title": "PASSERELLE", "calling": "CT1"})
    async with way_out(folder, to) as modality:
        for content in contents:
            assert (await modality.send(content)).code == "0000", read_head(content).sop_instance


@asynccontextmanager
async def imaging(folder: Path, config: str, *, route: str = ROUTE) -> AsyncIterator[Hospital]:
    """Run an engine whose images go to an archive; the same folder again is the same engine after a restart."""
    async with hospital(folder, config, {"images": route}) as engine:
        yield engine
