// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/ssh.h"

#include "dataplane/parse/digest.h"

namespace weir::parse {

namespace {

constexpr size_t kLineMax = 512;
constexpr uint8_t kLinesMax = 20;  // of a server before its banner, RFC 4253 section 4.2
constexpr uint64_t kPacketMax = 262'144, kOfferMax = 16'384;
constexpr uint8_t kKexInit = 20, kNewKeys = 21;
constexpr uint16_t kSshPort = 22;

// The next name of a list of names with commas between them.
std::string_view next_name(std::string_view& list) noexcept {
  const std::string_view name = list.substr(0, list.find(','));
  list.remove_prefix(std::min(list.size(), name.size() + 1));
  return name;
}

// RFC 4253 section 7.1: the first of the client's that the server has too.
std::string_view agreed(std::string_view client, std::string_view server) noexcept {
  constexpr unsigned kNamesMax = 64;
  for (unsigned i = 0; i < kNamesMax && !client.empty(); ++i) {
    const std::string_view wanted = next_name(client);
    std::string_view left = server;
    for (unsigned j = 0; j < kNamesMax && !left.empty(); ++j) {
      if (next_name(left) == wanted) return wanted;
    }
  }
  return {};
}

}  // namespace

Probe SshParser::probe(const ProbeInput& in) noexcept {
  if (!could_start_with(in.bytes, "SSH-")) return kNotMine;
  if (in.bytes.size() < 5) return kPerhaps;
  if (in.bytes[4] < '1' || in.bytes[4] > '2') return kNotMine;
  if (in.responder_port != kSshPort && in.initiator_port == kSshPort) {
    return in.from_initiator ? kMineFromServer : kMineFromClient;
  }
  return kMine;
}

Step SshParser::parse(const Input& in, Output& out) noexcept {
  Side& side = sides_[in.from_client ? 0 : 1];
  if (!side.banner) return banner(in, side, out);
  if (old_) return Step::consumed(in.bytes.size());
  return side.sealed ? sealed(in, out) : packet(in, side, out);
}

Step SshParser::banner(const Input& in, Side& side, Output& out) noexcept {
  LineReader& l = side.lines;
  const auto got = l.next(in.bytes, in.seen, kLineMax);
  if (got == LineReader::Got::kMore) return Step::need();
  if (got == LineReader::Got::kSkipped) return Step::consumed(l.used);
  if (l.cut) out.violation(kKind, "long_banner");
  if (!starts_with(l.line, "SSH-")) {
    if (++side.lines_read > kLinesMax || in.from_client) return Step::malformed("invalid_banner");
    return Step::consumed(l.used);
  }
  const Bytes rest = l.line.subspan(4);
  const auto dash = std::find(rest.begin(), rest.end(), '-');
  if (dash == rest.end()) return Step::malformed("invalid_banner");
  const Bytes version = rest.first(static_cast<size_t>(dash - rest.begin()));
  Bytes comment;
  const Bytes software = first_word(rest.subspan(version.size() + 1), comment);
  facts_.text(in.from_client ? Fact::kSshClientProto : Fact::kSshServerProto, version, 32);
  facts_.text(in.from_client ? Fact::kSshClientSoftware : Fact::kSshServerSoftware, software, 256);
  side.banner = true;
  if (in.from_client) skips_none_ = starts_with(software, "paramiko");
  show(out);
  old_ = old_ || (starts_with(version, "1.") && as_text(version) != "1.99");
  if (!old_ || !sides_[0].banner || !sides_[1].banner) return Step::consumed(l.used);
  tell(out);
  return Step::finished();
}

Step SshParser::packet(const Input& in, Side& side, Output& out) noexcept {
  Cursor c(in.bytes);
  const uint64_t length = c.be32();
  const uint8_t padding = c.u8(), message = c.u8();
  if (!c.ok()) return Step::need(6);
  if (length < 2 || length > kPacketMax || padding + uint64_t{1} >= length) {
    return Step::malformed("invalid_record");
  }
  if (message == kKexInit && !side.offered && length <= kOfferMax) {
    if (in.bytes.size() < 4 + length) return Step::need(4 + length);
    const auto payload = static_cast<size_t>(length - padding - 2);
    if (!offer(in.bytes.subspan(6, payload), in.from_client)) {
      return Step::malformed("invalid_record");
    }
    side.offered = true;
    show(out);
    if (sides_[0].offered && sides_[1].offered) tell(out);
  }
  if (message == kNewKeys) {
    side.sealed = true;
    if (sides_[0].sealed && sides_[1].sealed) {
      if (compressed_) seals_[1].known = false;
      login_.begin(seals_[0], seals_[1], skips_none_);
      tell(out);
    }
  }
  return Step::consumed(4 + length);
}

bool SshParser::offer(Bytes payload, bool from_client) noexcept {
  Cursor c(payload);
  c.skip(16);  // the cookie
  Bytes lists[10];
  for (Bytes& l : lists) l = c.bytes(c.be32());
  if (!c.ok()) return false;
  // kex, host key, then cipher, mac, compression: client to server and back, each.
  const size_t way = from_client ? 0 : 1;
  KeptText<kOfferMax / 2> text;
  const Bytes parts[] = {lists[0], lists[2 + way], lists[4 + way], lists[6 + way]};
  for (size_t i = 0; i < std::size(parts); ++i) {
    if (i != 0) text.add(as_bytes(";"));
    text.add(parts[i]);
  }
  facts_.bytes(from_client ? Fact::kSshClientHassh : Fact::kSshServerHassh, md5_of(text.bytes()));
  constexpr size_t kHasshTextMax = 1100;
  facts_.text(from_client ? Fact::kSshClientHasshText : Fact::kSshServerHasshText, text.bytes(),
              kHasshTextMax);
  if (!sides_[0].offered && !sides_[1].offered) {
    for (size_t i = 0; i < std::size(first_); ++i) first_[i].set(lists[2 + i]);
    return true;
  }
  agree(lists, from_client);
  return true;
}

void SshParser::agree(const Bytes (&lists)[10], bool from_client) noexcept {
  std::string_view chosen[6];
  for (size_t i = 0; i < std::size(first_); ++i) {
    const std::string_view first = as_text(first_[i].bytes()), second = as_text(lists[2 + i]);
    chosen[i] = from_client ? agreed(second, first) : agreed(first, second);
  }
  for (size_t way = 0; way < 2; ++way) {
    seals_[way] = SshSeal::of(chosen[way], chosen[2 + way]);
    compressed_ = compressed_ || chosen[4 + way] == "zlib";
  }
}

Step SshParser::sealed(const Input& in, Output& out) noexcept {
  const SshSeal& seal = seals_[in.from_client ? 0 : 1];
  uint64_t bytes = in.bytes.size();
  if (seal.length_visible) {
    if (in.bytes.size() < 4) return Step::need(4);
    const uint64_t length = load_be32(in.bytes.data());
    if (length < 8 || length > kPacketMax) return Step::finished();  // not what was agreed
    bytes = 4 + length + seal.mac;
  }
  const bool done = login_.said(in.from_client, bytes, seal.length_visible, out);
  return done ? Step::finished() : Step::consumed(bytes);
}

// What a message has added, for rules.
void SshParser::show(Output& out) noexcept {
  if (told_ || !out.is_judged(kKind)) return;
  out.show(kKind, facts_, shown_);
  shown_ = facts_.used();
}

void SshParser::tell(Output& out) noexcept {
  if (told_ || facts_.empty()) return;
  told_ = true;
  out.tell(kKind, facts_, Ends::kClientFirst, shown_);
}

void SshParser::end(Output& out) noexcept {
  tell(out);
  login_.end(out);
}

}  // namespace weir::parse
