// SPDX-License-Identifier: Apache-2.0
// Private to parse: QUIC's long headers (RFC 8999, 9000 section 17.2) and its Initial packets in
// the clear: their keys come from what stands in the packets themselves (RFC 9001 section 5.2).
#pragma once

#include "dataplane/parse/fact_list.h"

namespace weir::parse::quic {

constexpr uint32_t kVersion1 = 1, kVersion2 = 0x6b3343cf, kDraft29 = 0xff00001d;
constexpr size_t kConnectionIdMax = 20, kPlainMax = 2048;

struct ConnectionId {
  uint8_t byte[kConnectionIdMax];
  uint8_t size = 0;
  Bytes bytes() const noexcept { return {byte, size}; }
};

bool is_google(uint32_t version) noexcept;  // "Q0nn", which speaks no TLS
// One that only asks which versions the server speaks (RFC 9000 section 15). Its hello is sealed as
// in a version that the client really speaks.
bool is_reserved(uint32_t version) noexcept;
// Whether its Initial packets can be opened.
bool is_known(uint32_t version) noexcept;

struct LongHeader {
  uint32_t version = 0;
  bool initial = false;
  ConnectionId destination, source;
  size_t number_at = 0;  // where the packet number is: behind what is not protected
  size_t end = 0;        // of the packet
};
// The packet at the front of a datagram. false: it is none that can be skipped or opened.
bool read_long_header(Bytes datagram, LongHeader& h) noexcept;

struct Plain {
  uint8_t bytes[kPlainMax];
  size_t size = 0;
};
// The frames of an Initial packet. id: the destination of the client's first one. false: it is not
// of that connection and side, as far as can be told without looking at its tag.
bool open_initial(Bytes datagram, const LongHeader& h, const ConnectionId& id, bool from_client,
                  Plain& plain) noexcept;

}  // namespace weir::parse::quic
