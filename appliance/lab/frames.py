# SPDX-License-Identifier: Apache-2.0
"""Frames as they are, by AF_PACKET: send them from one host of the lab, see them arrive at another."""
import contextlib
import socket
import struct
import threading

SOL_PACKET, PACKET_AUXDATA, SO_RCVBUFFORCE, PACKET_OUTGOING = 263, 8, 33, 4
ETH_P_ALL = 3
# struct tpacket_auxdata of linux/if_packet.h, and its status bits
AUXDATA = struct.Struct('=IIIHHHH')
VLAN_VALID, VLAN_TPID_VALID = 1 << 4, 1 << 6


def with_tag(frame, ancillary):
    """The kernel takes the outer VLAN tag out of a received frame and hands it over beside; put it back."""
    for level, kind, data in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _len, _snap, _mac, _net, tci, tpid = AUXDATA.unpack(data[:AUXDATA.size])
            if status & VLAN_VALID:
                tag = struct.pack('>HH', tpid if status & VLAN_TPID_VALID else 0x8100, tci)
                return frame[:12] + tag + frame[12:]
    return frame


class Capture:
    """Frames arriving at a host's port, collected by a thread until stop(). `keep` may look at each and refuse it."""

    def __init__(self, lab, host, port, keep=lambda frame: True):
        with lab.inside(host):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.bind((port, ETH_P_ALL))
        self.socket.settimeout(0.1)
        self.keep, self.frames, self.ending = keep, [], False
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()

    def _collect(self):
        while True:
            try:
                frame, ancillary, _flags, address = self.socket.recvmsg(1 << 16, 256)
            except TimeoutError:
                if self.ending:
                    return
                continue
            except OSError:     # the port went away with the lab
                return
            if address[2] != PACKET_OUTGOING:
                frame = with_tag(frame, ancillary)
                if self.keep(frame):
                    self.frames.append(frame)

    def stop(self):
        """Waits until nothing more has arrived for a tenth of a second, then gives the frames, oldest first."""
        self.ending = True
        self.thread.join(5)
        with contextlib.suppress(OSError):
            self.socket.close()
        return self.frames


def sender(lab, host, port):
    """A socket whose send() puts a whole frame on the wire."""
    with lab.inside(host):
        out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    out.bind((port, 0))
    return out


def tcp_syns_from(address):
    """keep= for Capture: first packets of TCP connections (SYN without ACK) of that IPv4 address."""
    source = socket.inet_aton(address)

    def is_syn(frame):
        if frame[12:14] != b'\x08\x00' or len(frame) < 34 or frame[23] != 6 or frame[26:30] != source:
            return False
        tcp = 14 + (frame[14] & 15) * 4
        return len(frame) > tcp + 13 and frame[tcp + 13] & 0x12 == 0x02
    return is_syn
