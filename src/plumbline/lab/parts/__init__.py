"""What a topology can have beside its gateway: small values to compose; each module builds one of them."""

from __future__ import annotations

from plumbline.lab.parts.clock import Clock
from plumbline.lab.parts.cpu import Cpu
from plumbline.lab.parts.declared import Declared
from plumbline.lab.parts.disk import Disk
from plumbline.lab.parts.dns import Dns
from plumbline.lab.parts.known import Known
from plumbline.lab.parts.models import Models
from plumbline.lab.parts.nats import Nats
from plumbline.lab.parts.node import Node
from plumbline.lab.parts.part import Part
from plumbline.lab.parts.server import Server
from plumbline.lab.parts.tls import Tls

__all__ = ["Clock", "Cpu", "Declared", "Disk", "Dns", "Known", "Models", "Nats", "Node", "Part", "Server", "Tls"]
