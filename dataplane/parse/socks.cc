// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/socks.h"

#include "dataplane/parse/cursor.h"

namespace weir::parse {

namespace {

constexpr uint8_t kConnect = 1, kBind = 2, kAssociate = 3;
constexpr uint8_t kGssapi = 1, kPassword = 2, kNoMethod = 0xff;
constexpr uint8_t kMethodsMax = 16;
constexpr uint8_t kGranted4 = 0x5a;
constexpr size_t kUserMax = 255, kHostMax = 255;

std::string_view command_name(uint8_t command) noexcept {
  constexpr std::string_view kNames[] = {"connect", "bind", "udp_associate"};
  return command >= 1 && command <= 3 ? kNames[command - 1] : std::string_view("unknown");
}

std::string_view method_name(uint8_t method) noexcept {
  switch (method) {
    case 0:
      return "none";
    case kGssapi:
      return "gssapi";
    case kPassword:
      return "password";
    case 3:
      return "chap";
    case kNoMethod:
      return "refused";
    default:
      return "other";
  }
}

std::string_view reply_name(uint8_t code) noexcept {  // RFC 1928 section 6
  constexpr std::string_view kNames[] = {
      "succeeded",           "general failure",       "not allowed",
      "network unreachable", "host unreachable",      "connection refused",
      "TTL expired",         "command not supported", "address type not supported"};
  return code < std::size(kNames) ? kNames[code] : std::string_view("unknown");
}

std::string_view reply4_name(uint8_t code) noexcept {
  constexpr std::string_view kNames[] = {"succeeded", "rejected", "no identd", "identd disagrees"};
  return code >= kGranted4 && code <= 0x5d ? kNames[code - kGranted4] : std::string_view("unknown");
}

bool is_plain(Bytes b) noexcept {
  return std::all_of(b.begin(), b.end(), [](uint8_t c) { return c >= 0x20 && c != 0x7f; });
}

// The zero of a text at the front of b; most: of its letters. kNone: it is not there yet.
constexpr size_t kNone = SIZE_MAX;
size_t zero_in(Bytes b, size_t most) noexcept {
  const auto at =
      std::find(b.begin(), b.begin() + static_cast<long>(std::min(b.size(), most + 1)), uint8_t{0});
  return at != b.end() && *at == 0 ? static_cast<size_t>(at - b.begin()) : kNone;
}

bool is_host4a(Bytes ip) noexcept {  // 0.0.0.x: the name stands behind the user
  return ip[0] == 0 && ip[1] == 0 && ip[2] == 0 && ip[3] != 0;
}

// Type, address, port: RFC 1928 section 5. 0: more bytes must tell; kNone: there is no such type.
size_t address_bytes(Bytes b) noexcept {
  if (b.empty()) return 0;
  if (b[0] == 1) return 7;
  if (b[0] == 4) return 19;
  if (b[0] != 3) return kNone;
  return b.size() < 2 ? 0 : size_t{4} + b[1];
}

void write_address(FactWriter& facts, Bytes b, Fact host, Fact ip, Fact port) noexcept {
  const Bytes value = b.subspan(1, b.size() - 3);
  if (b[0] == 1) facts.address(ip, IpAddress::from_v4(value.data()));
  if (b[0] == 4) facts.address(ip, IpAddress::from_v6(value.data()));
  if (b[0] == 3) facts.text(host, value.subspan(1));
  facts.number(port, load_be16(b.data() + b.size() - 2));
}

Probe probe4(Bytes b) noexcept {
  if (b.size() > 1 && b[1] != kConnect && b[1] != kBind) return kNotMine;
  if (b.size() < 9) return kPerhaps;
  const Bytes ip = b.subspan(4, 4);
  if (load_be16(b.data() + 2) == 0 || (ip[0] == 0 && !is_host4a(ip)) || ip[0] >= 0xe0) {
    return kNotMine;
  }
  const Bytes user = b.subspan(8);
  const size_t user_end = zero_in(user, kUserMax);
  if (user_end == kNone) return user.size() <= kUserMax && is_plain(user) ? kPerhaps : kNotMine;
  if (!is_plain(user.first(user_end))) return kNotMine;
  if (!is_host4a(ip)) return kMineFromClient;
  const Bytes host = user.subspan(user_end + 1);
  const size_t host_end = zero_in(host, kHostMax);
  if (host_end == kNone) return host.size() <= kHostMax && is_plain(host) ? kPerhaps : kNotMine;
  return host_end != 0 && is_plain(host.first(host_end)) ? kMineFromClient : kNotMine;
}

Probe probe5(Bytes b) noexcept {
  if (b.size() < 2) return kPerhaps;
  const uint8_t methods = b[1];
  if (methods == 0 || methods > kMethodsMax) return kNotMine;
  const Bytes offered = b.subspan(2, std::min<size_t>(methods, b.size() - 2));
  bool talks = false;
  for (const uint8_t m : offered) {
    if (m > 9 && m < 0x80) return kNotMine;
    talks = talks || m == kPassword || m == kGssapi;  // its own messages begin with 1
  }
  if (offered.size() < methods) return kPerhaps;
  const Bytes next = b.subspan(2u + methods);
  if (next.empty()) return kPerhaps;  // others begin so too
  if (next[0] == 1) return talks ? kMineFromClient : kNotMine;
  if (next[0] != 5) return kNotMine;
  if (next.size() < 3) return kPerhaps;
  return next[1] >= kConnect && next[1] <= kAssociate && next[2] == 0 ? kMineFromClient : kNotMine;
}

Probe probe_server(Bytes b) noexcept {
  if (b[0] == 0) {  // version 4: the client's word is the better one
    return b.size() <= 8 && (b.size() < 2 || (b[1] >= kGranted4 && b[1] <= 0x5d)) ? kPerhaps
                                                                                  : kNotMine;
  }
  if (b[0] != 5) return kNotMine;
  if (b.size() > 1 && b[1] > 9 && b[1] < 0x80) return kNotMine;
  if (b.size() > 2 && b[2] != 5 && !(b[2] == 1 && b[1] == kPassword)) return kNotMine;
  return kPerhaps;
}

}  // namespace

Probe SocksParser::probe(const ProbeInput& in) noexcept {
  if (in.bytes.empty()) return kNotMine;
  if (!in.from_initiator) return probe_server(in.bytes);
  if (in.bytes[0] == 4) return probe4(in.bytes);
  return in.bytes[0] == 5 ? probe5(in.bytes) : kNotMine;
}

Step SocksParser::parse(const Input& in, Output& out) noexcept {
  return in.from_client ? client(in.bytes) : server(in.bytes, out);
}

Step SocksParser::client4(Bytes b) noexcept {
  if (b.size() < 9) return Step::need(9);
  const Bytes ip = b.subspan(4, 4), user = b.subspan(8);
  const size_t user_end = zero_in(user, kUserMax);
  if (user_end == kNone)
    return user.size() <= kUserMax ? Step::need() : Step::malformed("long_user");
  size_t used = 8 + user_end + 1;
  Bytes host;
  if (is_host4a(ip)) {
    host = b.subspan(used);
    const size_t host_end = zero_in(host, kHostMax);
    if (host_end == kNone) {
      return host.size() <= kHostMax ? Step::need() : Step::malformed("long_host");
    }
    host = host.first(host_end);
    used += host_end + 1;
  }
  command_ = b[1];
  facts_.number(Fact::kSocksVersion, 4);
  facts_.text(Fact::kSocksCommand, command_name(command_));
  if (host.empty()) {
    facts_.address(Fact::kSocksIp, IpAddress::from_v4(ip.data()));
  } else {
    facts_.text(Fact::kSocksHost, host);
  }
  facts_.number(Fact::kSocksPort, load_be16(b.data() + 2));
  if (user_end != 0) facts_.text(Fact::kSocksUser, user.first(user_end));
  client_ = Client::kTunnel;
  return Step::consumed(used);
}

Step SocksParser::client(Bytes b) noexcept {
  if (client_ == Client::kTunnel) return Step::need();  // until it is known what that is
  if (client_ == Client::kGreeting) {
    if (b[0] == 4) return client4(b);
    if (b[0] != 5) return Step::malformed("invalid_version");
    if (b.size() < 2 || b.size() < size_t{2} + b[1])
      return Step::need(b.size() < 2 ? 2 : 2u + b[1]);
    facts_.number(Fact::kSocksVersion, 5);
    const Bytes offered = b.subspan(2, b[1]);
    for (const uint8_t m : offered.first(std::min<size_t>(offered.size(), kMethodsMax))) {
      facts_.text(Fact::kSocksOffered, method_name(m));
    }
    client_ = Client::kRequest;
    return Step::consumed(size_t{2} + b[1]);
  }
  if (b[0] == 1) {  // RFC 1929: version, user, password, a length before each
    if (method_ == kGssapi) return Step::finished();
    if (b.size() < 2 || b.size() < size_t{3} + b[1])
      return Step::need(b.size() < 2 ? 2 : 3u + b[1]);
    const size_t user_bytes = b[1], used = 3 + user_bytes + b[2 + user_bytes];
    if (b.size() < used) return Step::need(used);
    user_.assign(b.subspan(2, user_bytes));
    facts_.text(Fact::kSocksUser, user_.bytes());
    user_waits_ = true;
    return Step::consumed(used);
  }
  if (b[0] != 5) return Step::malformed("invalid_request");
  if (b.size() < 5) return Step::need(5);
  const size_t address = address_bytes(b.subspan(3));
  if (address == kNone) return Step::malformed("invalid_address_type");
  if (b.size() < 3 + address) return Step::need(3 + address);
  command_ = b[1];
  facts_.text(Fact::kSocksCommand, command_name(command_));
  write_address(facts_, b.subspan(3, address), Fact::kSocksHost, Fact::kSocksIp, Fact::kSocksPort);
  client_ = Client::kTunnel;
  return Step::consumed(3 + address);
}

Step SocksParser::server(Bytes b, Output& out) noexcept {
  if (b[0] == 0 && server_ == Server::kMethod) {
    if (b.size() < 8) return Step::need(8);
    if (client_ != Client::kTunnel) return Step::need();
    facts_.number(Fact::kSocksBoundPort, load_be16(b.data() + 2));
    facts_.address(Fact::kSocksBoundIp, IpAddress::from_v4(b.data() + 4));
    return answered(8, b[1] == kGranted4, reply4_name(b[1]), out);
  }
  if (b.size() < 2) return Step::need(2);
  if (server_ == Server::kMethod) {
    if (b[0] != 5) return Step::malformed("invalid_version");
    method_ = b[1];
    facts_.text(Fact::kSocksMethod, method_name(method_));
    if (method_ != 0 && method_ != kPassword) return Step::finished();
    server_ = method_ == kPassword ? Server::kPassword : Server::kReply;
    return Step::consumed(2);
  }
  if (server_ == Server::kPassword) {
    const bool good = b[1] == 0;
    login(good ? LoginOutcome::kSuccess : LoginOutcome::kFailure,
          good ? std::string_view("success") : std::string_view("failure"), out);
    server_ = Server::kReply;
    return good ? Step::consumed(2) : Step::finished();
  }
  if (b[0] != 5) return Step::malformed("invalid_reply");
  if (b.size() < 5) return Step::need(5);
  const size_t address = address_bytes(b.subspan(3));
  if (address == kNone) return Step::malformed("invalid_address_type");
  if (b.size() < 3 + address) return Step::need(3 + address);
  if (client_ != Client::kTunnel) return Step::need();
  write_address(facts_, b.subspan(3, address), Fact::kSocksBoundHost, Fact::kSocksBoundIp,
                Fact::kSocksBoundPort);
  return answered(3 + address, b[1] == 0, reply_name(b[1]), out);
}

Step SocksParser::answered(uint64_t used, bool granted, std::string_view reply,
                           Output& out) noexcept {
  facts_.text(Fact::kSocksReply, reply);
  tell(out);
  server_ = Server::kOver;
  if (!granted || command_ != kConnect) return Step::finished();
  return Step::become(EvidenceKind::kAny, used);
}

void SocksParser::tell(Output& out) noexcept {
  FactWriter& facts = out.fresh();
  facts.append(facts_);
  out.tell(kKind, facts);
  told_ = true;
}

void SocksParser::login(LoginOutcome outcome, std::string_view code, Output& out) noexcept {
  user_waits_ = false;
  out.login({.protocol = "socks",
             .mechanism = "password",
             .account = user_.bytes(),
             .outcome = outcome,
             .code = code});
}

void SocksParser::end(Output& out) noexcept {
  if (user_waits_) login(LoginOutcome::kAttempt, {}, out);
  if (!told_ && !facts_.empty()) tell(out);
}

}  // namespace weir::parse
