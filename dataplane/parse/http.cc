// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/http.h"

#include "dataplane/parse/cursor.h"

namespace weir::parse {

namespace {

constexpr size_t kProbeLineMax = 200;  // for a method that others have too

bool begins_settings(Bytes b) noexcept {  // a frame of HTTP/2
  return b.size() >= 9 && b[0] == 0 && b[1] < 2 && b[3] == 4 && load_be32(&b[5]) == 0 &&
         (b[1] << 8 | b[2]) % 6 == 0;
}

Probe probe_client(Bytes bytes) noexcept {
  if (bytes.size() < kHttp2Preface.size() && could_start_with(bytes, kHttp2Preface)) {
    return kPerhaps;
  }
  if (starts_with(bytes, kHttp2Preface)) return kMineFromClient;
  size_t n = 0;
  const auto in_method = [](uint8_t c) { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; };
  while (n < bytes.size() && in_method(bytes[n])) ++n;
  const bool method = n != 0 && n <= 20 && (n == bytes.size() || bytes[n] == ' ');
  if (!method) return kNotMine;
  bool undecided = false;
  // Whatever the rest of the line says: else the answer hung on how much of it came at once.
  if (begins_request(bytes, undecided)) return kMineFromClient;
  Bytes line;
  size_t used = 0;
  if (!next_line(bytes.first(std::min(bytes.size(), kProbeLineMax)), 0, line, used)) {
    return bytes.size() < kProbeLineMax ? kPerhaps : kNotMine;
  }
  RequestLine r;
  const bool request = split_request_line(line, r) && starts_with(r.version, "HTTP/");
  return request ? kMineFromClient : kNotMine;
}

}  // namespace

Probe HttpParser::probe(const ProbeInput& in) noexcept {
  constexpr std::string_view kAnswer = "HTTP/1.";
  if (starts_with(in.bytes, kAnswer)) return kMineFromServer;
  if (could_start_with(in.bytes, kAnswer)) return kPerhaps;
  if (!in.from_initiator && in.bytes.size() < 2048 &&
      (in.bytes.size() < 9 ? in.bytes[0] == 0 : begins_settings(in.bytes))) {
    return kPerhaps;  // until the other side sends its preface
  }
  return probe_client(in.bytes);
}

Step HttpParser::parse(const Input& in, Output& out) noexcept {
  if (version_ == Version::kUnknown) {
    const bool prefix =
        in.from_client ? could_start_with(in.bytes, kHttp2Preface) : in.bytes[0] == 0;
    const size_t wanted = in.from_client ? kHttp2Preface.size() : 9;
    if (prefix && in.bytes.size() < wanted && !in.whole) return Step::need(wanted);
    const bool two = prefix && (in.from_client || begins_settings(in.bytes));
    version_ = two ? Version::kTwo : Version::kOne;
    if (two) std::uninitialized_default_construct_n(&two_, 1);
  }
  if (version_ == Version::kTwo) return two_.parse(in, out);
  const Step step = one_.parse(in, out);
  if (step.what != Step::Do::kConsume || !one_.becomes_http2()) return step;
  FactList<2560> request;
  request.append(one_.upgraded());
  version_ = Version::kTwo;
  std::uninitialized_default_construct_n(&two_, 1);
  two_.upgraded(request);
  return step;
}

void HttpParser::end(Output& out) noexcept {
  if (version_ == Version::kTwo) {
    two_.end(out);
  } else {
    one_.end(out);
  }
}

}  // namespace weir::parse
