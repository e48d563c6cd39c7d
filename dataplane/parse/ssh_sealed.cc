// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/ssh_sealed.h"

namespace weir::parse {

namespace {

constexpr uint8_t kRequestsMax = 64;
// Payloads, in bytes.
constexpr uint64_t kSuccess = 1, kServiceAccept = 17;
constexpr uint64_t kFailureLeast = 14, kFailureMost = 126;  // with a list of methods
constexpr uint64_t kOpenSession = 24, kNoMoreSessions = 34;
constexpr uint64_t kHostKeysLeast = 85;  // what OpenSSH says right after a success

struct Mac {
  std::string_view name;
  uint8_t bytes;
};
constexpr Mac kMacs[] = {{"hmac-sha2-256-96", 12}, {"hmac-sha2-512-96", 12}, {"hmac-sha1-96", 12},
                         {"hmac-md5-96", 12},      {"hmac-sha2-256", 32},    {"hmac-sha2-512", 64},
                         {"hmac-sha256", 32},      {"hmac-sha512", 64},      {"hmac-sha1", 20},
                         {"hmac-md5", 16},         {"hmac-ripemd160", 20},   {"umac-64", 8},
                         {"umac-128", 16}};
constexpr std::string_view kLongBlocks[] = {"aes", "rijndael", "twofish", "serpent", "camellia"};
constexpr std::string_view kShortBlocks[] = {"3des", "blowfish", "cast128", "arcfour", "idea"};

bool begins_with_one(std::string_view name, std::span<const std::string_view> starts) noexcept {
  return std::any_of(starts.begin(), starts.end(),
                     [&](std::string_view s) { return name.starts_with(s); });
}

}  // namespace

SshSeal SshSeal::of(std::string_view cipher, std::string_view mac) noexcept {
  SshSeal s;
  if (cipher.starts_with("chacha20-poly1305")) return {true, false, true, 8, 16};
  if (cipher.find("gcm") != cipher.npos || cipher.find("GCM") != cipher.npos) {
    return {true, true, true, 16, 16};
  }
  s.block = begins_with_one(cipher, kLongBlocks) ? 16 : 8;
  for (const Mac& m : kMacs) {
    if (!mac.starts_with(m.name)) continue;
    s.mac = m.bytes;
    break;
  }
  s.length_visible = s.length_apart = mac.ends_with("-etm@openssh.com");
  s.known = s.mac != 0 && (s.block == 16 || begins_with_one(cipher, kShortBlocks));
  return s;
}

uint64_t SshSeal::sealed(uint64_t payload) const noexcept {
  const uint64_t inside = (length_apart ? 1 : 5) + payload + 4;  // RFC 4253 section 6
  const uint64_t blocks = (inside + block - 1) / block * block;
  return blocks + mac + (length_apart ? 4 : 0);
}

void SshLogin::begin(const SshSeal& client, const SshSeal& server, bool skips_none) noexcept {
  client_ = client;
  server_ = server;
  skips_none_ = skips_none;
  begun_ = true;
}

bool SshLogin::said(bool from_client, uint64_t bytes, bool packet, Output& out) noexcept {
  if (done_ || !begun_) return done_;
  if (from_client != client_speaks_ && turn_over(out)) return true;
  client_speaks_ = from_client;
  turn_bytes_ += bytes;
  last_packet_ = packet ? bytes : 0;
  const bool success =
      packet && !from_client && accepted_ && server_.known && bytes == server_.sealed(kSuccess);
  return success && tell(LoginOutcome::kSuccess, out);
}

bool SshLogin::turn_over(Output& out) noexcept {
  const uint64_t bytes = turn_bytes_;
  const uint64_t unit = last_packet_ != 0 ? last_packet_ : bytes;
  turn_bytes_ = last_packet_ = 0;
  if (bytes == 0) return false;
  if (client_speaks_) {
    if (requests_ != UINT8_MAX) ++requests_;
    if (odd_ && opens_channel(bytes)) return tell(LoginOutcome::kSuccess, out);
    // Longer than any login: it was missed, or nothing can be known of it.
    const bool blind = !client_.known || !server_.known;
    if (requests_ < (blind ? 3 : kRequestsMax)) return false;
    if (failures_ == 0) return tell(LoginOutcome::kAttempt, out);
    done_ = true;
    return true;
  }
  if (requests_ == 0) return false;  // SSH_MSG_EXT_INFO, unasked
  if (!accepted_) {
    accepted_ = !server_.known || unit >= server_.sealed(kServiceAccept);
    return false;
  }
  return server_.known && replied(unit, out);
}

bool SshLogin::replied(uint64_t bytes, Output& out) noexcept {
  odd_ = false;
  if (bytes == server_.sealed(kSuccess)) return tell(LoginOutcome::kSuccess, out);
  const bool plausible =
      bytes >= server_.sealed(kFailureLeast) && bytes <= server_.sealed(kFailureMost);
  if (failure_bytes_ == 0 && previous_bytes_ == 0) {
    if (plausible) failure_bytes_ = bytes;
    if (plausible && skips_none_) tell(LoginOutcome::kFailure, out);
  } else if (bytes == failure_bytes_ || (plausible && bytes == previous_bytes_)) {
    failure_bytes_ = bytes;
    tell(LoginOutcome::kFailure, out);
  } else {
    odd_ = bytes >= server_.sealed(kSuccess) + server_.sealed(kHostKeysLeast);
  }
  previous_bytes_ = bytes;
  return false;
}

bool SshLogin::opens_channel(uint64_t bytes) const noexcept {
  const uint64_t open = client_.sealed(kOpenSession);
  return client_.known && (bytes == open || bytes == open + client_.sealed(kNoMoreSessions));
}

bool SshLogin::tell(LoginOutcome outcome, Output& out) noexcept {
  Login login;
  login.protocol = "ssh";
  login.outcome = outcome;
  out.login(login);
  if (outcome == LoginOutcome::kFailure) {
    if (failures_ != UINT8_MAX) ++failures_;
    return false;
  }
  done_ = true;
  return true;
}

void SshLogin::end(Output& out) noexcept {
  if (done_ || !begun_) return;
  if (turn_over(out)) return;
  if (accepted_ && requests_ > 1 && failures_ == 0) tell(LoginOutcome::kAttempt, out);
  done_ = true;
}

}  // namespace weir::parse
