// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/http1.h"

#include "dataplane/parse/cursor.h"
#include "dataplane/parse/uri.h"

namespace weir::parse {

namespace {

constexpr size_t kLineMax = 8192;  // of a longer one its beginning counts
constexpr uint64_t kEndless = 1ull << 62;
constexpr unsigned kOddLinesMax = 32;  // of what is no request, where one should be
constexpr size_t kTokenMax = 32;

bool is_token(Bytes b) noexcept {
  for (const uint8_t c : b) {
    const bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    if (!letter && c != '-' && c != '_' && (c < '0' || c > '9')) return false;
  }
  return !b.empty() && b.size() <= kTokenMax;
}

bool is_blank(uint8_t c) noexcept {
  return c == ' ' || c == '\t';
}

// "HTTP/1.1" -> 1; 9: something else.
uint8_t minor_version(Bytes version) noexcept {
  const bool good = version.size() == 8 && starts_with(version, "HTTP/1.") && version[7] <= '1';
  return good ? static_cast<uint8_t>(version[7] - '0') : 9;
}

// The last coding of "gzip, chunked".
Bytes last_coding(Bytes value) noexcept {
  size_t from = value.size();
  while (from != 0 && value[from - 1] != ',') --from;
  return trimmed(value.subspan(from));
}

bool has_word(Bytes value, std::string_view word) noexcept {
  while (!value.empty()) {
    size_t n = 0;
    while (n < value.size() && value[n] != ',') ++n;
    if (equal_ignoring_case(trimmed(value.first(n)), word)) return true;
    value = value.subspan(std::min(n + 1, value.size()));
  }
  return false;
}

// The size of a chunk; what follows it (an extension) is not looked at.
bool read_chunk_size(Bytes line, uint64_t& size) noexcept {
  size = 0;
  size_t digits = 0;
  for (const uint8_t c : trimmed(line)) {
    const uint8_t low = c | 0x20;
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = c - unsigned{'0'};
    } else if (low >= 'a' && low <= 'f') {
      digit = low - unsigned{'a'} + 10;
    } else if (c == ';' || is_blank(c)) {
      break;
    } else {
      return false;
    }
    if (size > kEndless >> 4) return false;
    size = size << 4 | digit;
    ++digits;
  }
  return digits != 0;
}

}  // namespace

bool split_request_line(Bytes line, RequestLine& r) noexcept {
  line = trimmed(line);
  size_t n = 0;
  while (n < line.size() && !is_blank(line[n])) ++n;
  r.method = line.first(n);
  Bytes rest = trimmed(line.subspan(n));
  size_t last = rest.size();
  while (last != 0 && !is_blank(rest[last - 1])) --last;
  const Bytes version = rest.subspan(last);
  const bool has_version =
      last != 0 && version.size() >= 6 && equal_ignoring_case(version.first(5), "HTTP/");
  r.version = has_version ? version : Bytes{};
  r.target = has_version ? trimmed(rest.first(last)) : rest;
  return is_token(r.method) && !r.target.empty();
}

// By its method and the first bytes of the target, for methods that RTSP, SIP and ICAP do not have.
bool begins_request(Bytes bytes, bool& undecided) noexcept {
  constexpr std::string_view kMethods[] = {
      "GET ",      "POST ",  "HEAD ",   "PUT ",    "DELETE ",      "PATCH ",       "TRACE ",
      "PROPFIND ", "MKCOL ", "SEARCH ", "REPORT ", "RPC_IN_DATA ", "RPC_OUT_DATA "};
  undecided = false;
  for (const std::string_view m : kMethods) {
    if (!could_start_with(bytes, m)) continue;
    if (bytes.size() <= m.size()) {
      undecided = true;
      return false;
    }
    const Bytes target = bytes.subspan(m.size());
    if (target[0] == '/') return true;
    constexpr std::string_view kScheme = "http";
    const size_t n = std::min(target.size(), kScheme.size());
    if (!equal_ignoring_case(target.first(n), kScheme.substr(0, n))) return false;
    undecided = n < kScheme.size();
    return !undecided;
  }
  return false;
}

enum class Http1::Fault : uint8_t {
  kNoColon,
  kFolding,
  kHeader,
  kLength,
  kLengthTwice,
  kCoding,
  kLengthAndChunked,
  kChunkLength,
  kChunkedOldProtocol,
  kLine,
  kStatus,
  kUnmatched,
  kNoHost,
  kHostAmbiguous,
  kHost,
  kTooLong,
  kDelimiter
};

void Http1::fault(Side& side, Fault f, Output& out) noexcept {
  static constexpr std::string_view kEvents[][2] = {
      {"REQUEST_FIELD_MISSING_COLON", "RESPONSE_FIELD_MISSING_COLON"},
      {"INVALID_REQUEST_FIELD_FOLDING", "INVALID_RESPONSE_FIELD_FOLDING"},
      {"REQUEST_HEADER_INVALID", "RESPONSE_HEADER_INVALID"},
      {"INVALID_CONTENT_LENGTH_FIELD_IN_REQUEST", "INVALID_CONTENT_LENGTH_FIELD_IN_RESPONSE"},
      {"DUPLICATE_CONTENT_LENGTH_FIELD_IN_REQUEST", "DUPLICATE_CONTENT_LENGTH_FIELD_IN_RESPONSE"},
      {"INVALID_TRANSFER_ENCODING_VALUE_IN_REQUEST", "INVALID_TRANSFER_ENCODING_VALUE_IN_RESPONSE"},
      {"CONTENT_LENGTH_AND_CHUNKED_IN_REQUEST", "CONTENT_LENGTH_AND_CHUNKED_IN_RESPONSE"},
      {"INVALID_REQUEST_CHUNK_LEN", "INVALID_RESPONSE_CHUNK_LEN"},
      {"REQUEST_CHUNKED_OLD_PROTO", "RESPONSE_CHUNKED_OLD_PROTO"},
      {"REQUEST_LINE_INVALID", "RESPONSE_INVALID_PROTOCOL"},
      {"", "RESPONSE_INVALID_STATUS"},
      {"", "UNABLE_TO_MATCH_RESPONSE_TO_REQUEST"},
      {"MISSING_HOST_HEADER", ""},
      {"HOST_HEADER_AMBIGUOUS", ""},
      {"HEADER_HOST_INVALID", ""},
      {"REQUEST_FIELD_TOO_LONG", "RESPONSE_FIELD_TOO_LONG"},
      {"URI_DELIM_NON_COMPLIANT", ""}};
  const auto i = static_cast<unsigned>(f);
  if ((side.faults >> i & 1) != 0) return;
  side.faults |= 1u << i;
  out.violation(EvidenceKind::kHttp, kEvents[i][&side == &server_ ? 1 : 0]);
}

// false: its end is not there.
bool Http1::next_line_of(Side& side, Bytes bytes, size_t seen, Line& line) noexcept {
  if (side.long_line) {
    Bytes text;
    const bool ends = next_line(bytes, 0, text, line.used);
    if (!ends) line.used = bytes.size();
    line.rest = true;
    side.long_line = !ends;
    return true;
  }
  if (next_line(bytes.first(std::min(bytes.size(), kLineMax)), seen, line.text, line.used)) {
    return true;
  }
  if (bytes.size() < kLineMax) return false;
  line.text = bytes.first(kLineMax);
  line.used = kLineMax;
  side.long_line = true;
  return true;
}

Step Http1::parse(const Input& in, Output& out) noexcept {
  Side& side = in.from_client ? client_ : server_;
  size_t at = 0;
  while (at < in.bytes.size()) {
    if (side.phase == Phase::kEndless) {
      if (!in.from_client) length_ += kEndless;
      return Step::consumed(at + kEndless);
    }
    if (side.phase == Phase::kHeld) break;
    if (side.phase == Phase::kLastByte) {
      ++at;
      complete(side, out);
      continue;
    }
    if (side.phase == Phase::kExpect) {
      const Step s = body_expected(in, at);
      if (s.what == Step::Do::kNeed && side.phase != Phase::kStart) break;
      if (s.what == Step::Do::kConsume) return s;
    }
    const Bytes rest = in.bytes.subspan(at);
    const bool preface = upgrade_asked_ && in.from_client && side.phase == Phase::kStart;
    if (preface && could_start_with(rest, "PRI * HTTP/2.0")) break;
    Line line;
    if (!next_line_of(side, rest, at == 0 ? in.seen : 0, line)) break;
    at += line.used;
    if (line.rest) continue;
    if (side.long_line) fault(side, Fault::kTooLong, out);
    Step s = in.from_client ? line_of_request(line.text, out) : line_of_response(line.text, out);
    if (s.what == Step::Do::kNeed) continue;
    s.bytes += at;
    return s;
  }
  return at != 0 ? Step::consumed(at) : Step::need();
}

Step Http1::line_of_request(Bytes line, Output& out) noexcept {
  switch (client_.phase) {
    case Phase::kStart:
      return trimmed(line).empty() ? Step::need() : begin_request(line, out);
    case Phase::kFields:
      if (line.empty()) return request_head_ends(out);
      field(client_, line, out);
      return Step::need();
    default:
      return line_of_chunks(client_, line, out);
  }
}

Step Http1::line_of_response(Bytes line, Output& out) noexcept {
  switch (server_.phase) {
    case Phase::kStart:
      return trimmed(line).empty() ? Step::need() : begin_response(line, out);
    case Phase::kFields:
      if (line.empty()) return response_head_ends(out);
      field(server_, line, out);
      return Step::need();
    default:
      return line_of_chunks(server_, line, out);
  }
}

Step Http1::line_of_chunks(Side& side, Bytes line, Output& out) noexcept {
  if (side.phase == Phase::kTrailer) {
    if (line.empty()) complete(side, out);
    return Step::need();
  }
  if (side.phase == Phase::kChunkEnd && line.empty()) {
    side.phase = Phase::kChunkSize;
    return Step::need();
  }
  uint64_t size = 0;
  if (side.phase == Phase::kChunkEnd || !read_chunk_size(line, size)) {
    // Where the next message begins nobody can say. What the client asks is told all the same.
    fault(side, Fault::kChunkLength, out);
    if (&side == &client_) return Step::finished();
    side.phase = Phase::kEndless;
    return Step::need();
  }
  side.phase = size == 0 ? Phase::kTrailer : Phase::kChunkEnd;
  if (size == 0) return Step::need();
  if (&side == &server_) length_ += size;
  return Step::consumed(size);
}

Step Http1::begin_request(Bytes line, Output& out) noexcept {
  RequestLine r;
  const bool cut = line.size() == kLineMax;  // the version is behind
  const bool good = split_request_line(line, r);
  if (!good || (r.version.empty() && !cut)) {
    if (requests_seen_ == 0) return Step::finished();  // HTTP/0.9, or no HTTP
    client_.faults = client_.odd_lines == 0 ? 0 : client_.faults;
    if (++client_.odd_lines > kOddLinesMax) return Step::finished();
    fault(client_, Fault::kLine, out);
    return Step::need();
  }
  client_ = Side{.phase = Phase::kFields, .long_line = client_.long_line};
  client_.version = minor_version(r.version);
  request_ = Request{};
  request_facts_.clear();
  ++requests_seen_;
  if (client_.version == 9 && !cut) fault(client_, Fault::kLine, out);
  for (const uint8_t c : r.target) {
    if (c <= ' ') fault(client_, Fault::kDelimiter, out);
  }
  if (equal_ignoring_case(r.method, "HEAD")) request_.method = Request::Method::kHead;
  if (equal_ignoring_case(r.method, "CONNECT")) request_.method = Request::Method::kConnect;
  request_facts_.text(Fact::kHttpUrl, r.target, kHttpUrlMax);
  request_facts_.text(Fact::kHttpMethod, r.method, kTokenMax);
  if (!r.version.empty()) request_facts_.text(Fact::kHttpProtocol, r.version, 16);
  const Bytes authority = split_target(r.target).authority;
  if (!authority.empty()) write_http_host(request_facts_, authority);
  return Step::need();
}

Step Http1::begin_response(Bytes line, Output& out) noexcept {
  line = trimmed(line);
  server_ = Side{.phase = Phase::kFields, .long_line = server_.long_line};
  response_.clear();
  length_ = 0;
  status_ = shown_ = 0;
  offers_http2_ = false;
  if (line.size() < 5 || !equal_ignoring_case(line.first(5), "HTTP/")) {
    fault(server_, Fault::kLine, out);
    server_.phase = Phase::kEndless;
    return Step::need();
  }
  size_t n = 0;
  while (n < line.size() && !is_blank(line[n])) ++n;
  server_.version = minor_version(line.first(n));
  if (server_.version == 9) fault(server_, Fault::kLine, out);
  uint64_t status = 0;
  const bool good =
      read_decimal(trimmed(line.subspan(n)), status) && status >= 100 && status <= 999;
  if (!good) fault(server_, Fault::kStatus, out);
  status_ = static_cast<uint16_t>(good ? status : 0);
  if (waiting_ == 0 && beyond_ == 0) {
    response_.text(Fact::kHttpProtocol, line.first(n), 16);
    if (!unmatched_told_) fault(server_, Fault::kUnmatched, out);
    unmatched_told_ = true;
  }
  return Step::need();
}

void Http1::field(Side& side, Bytes line, Output& out) noexcept {
  if (is_blank(line[0])) return fault(side, Fault::kFolding, out);
  size_t n = 0;
  while (n < line.size() && line[n] != ':') ++n;
  if (n == line.size()) return fault(side, Fault::kNoColon, out);
  const Bytes name = trimmed(line.first(n));
  const Bytes value = trimmed(line.subspan(n + 1));
  if (name.size() != n || name.empty()) fault(side, Fault::kHeader, out);
  if (std::memchr(line.data(), '\r', line.size()) != nullptr ||
      std::memchr(line.data(), 0, line.size()) != nullptr) {
    fault(side, Fault::kHeader, out);
  }
  const HttpField f = http_field(name);
  if (f == HttpField::kOther || name[0] == ':') return;
  const bool fresh = side.fields.add(f);
  if (f == HttpField::kContentLength || f == HttpField::kTransferEncoding) {
    framing_field(side, f, value, fresh, out);
  } else if (&side == &client_) {
    request_field(f, value, fresh, out);
  } else if (fresh && (f != HttpField::kLocation || status_ / 100 == 3)) {
    write_http_response_field(response_, f, value);
  }
  if (f == HttpField::kUpgrade && &side == &server_) offers_http2_ = has_word(value, "h2c");
}

void Http1::request_field(HttpField f, Bytes value, bool fresh, Output& out) noexcept {
  if (f == HttpField::kHost) {
    const FactValue known = find_fact(request_facts_.facts(), Fact::kHttpHostname);
    const HostPort h = split_host(value);
    if (!h.good) fault(client_, Fault::kHost, out);
    if (known.fact == Fact::kCount) {
      write_http_host(request_facts_, value);
    } else if (!equal_ignoring_case(h.host.first(std::min<size_t>(h.host.size(), 256)),
                                    known.text())) {
      fault(client_, Fault::kHostAmbiguous, out);
    }
    return;
  }
  if (!fresh) return;
  if (f == HttpField::kUpgrade) request_.wants_http2 = has_word(value, "h2c");
  const bool login = f == HttpField::kAuthorization || f == HttpField::kProxyAuthorization;
  if (login && request_.login == HttpLogin::kNone) {
    request_.login = write_http_authorization(request_facts_, value);
  }
  write_http_request_field(request_facts_, f, value);
}

// Two that read a message's end from it differently are how requests are smuggled.
void Http1::framing_field(Side& side, HttpField f, Bytes value, bool fresh, Output& out) noexcept {
  if (f == HttpField::kTransferEncoding) {
    const bool chunked = equal_ignoring_case(last_coding(value), "chunked");
    if (chunked) side.chunked = true;
    if (!chunked || value.size() != 7) {
      const bool known =
          has_word(value, "identity") || (has_word(value, "chunked") && chunked &&
                                          (has_word(value, "gzip") || has_word(value, "deflate")));
      if (!known) fault(side, Fault::kCoding, out);
    }
    return;
  }
  uint64_t length = 0;
  bool good = read_decimal(value, length) && length < kEndless;
  for (const uint8_t c : value) good = good && c >= '0' && c <= '9';
  if (!good) fault(side, Fault::kLength, out);
  if (!fresh && length != side.content_length) fault(side, Fault::kLengthTwice, out);
  if (!fresh) return;
  side.content_length = good ? length : 0;
  side.bad_length = !good;
}

Step Http1::request_head_ends(Output& out) noexcept {
  const HttpFieldSet& fields = client_.fields;
  const bool has_host = find_fact(request_facts_.facts(), Fact::kHttpHostname).fact != Fact::kCount;
  if (client_.version == 1 && !has_host) fault(client_, Fault::kNoHost, out);
  if (client_.chunked && fields.has(HttpField::kContentLength)) {
    fault(client_, Fault::kLengthAndChunked, out);
  }
  upgrade_asked_ = upgrade_asked_ || request_.wants_http2;
  queue(out);
  if (request_.method == Request::Method::kConnect) {
    client_.phase = Phase::kHeld;
    return Step::need();
  }
  if (!client_.chunked && client_.content_length != 0 && fields.has(HttpField::kExpect)) {
    client_.phase = Phase::kExpect;
    return Step::need();
  }
  return body_begins(client_);
}

// A client that waits for "100 Continue" may leave the body out when it gets something else.
Step Http1::body_expected(const Input& in, size_t at) noexcept {
  if (answers_seen_ >= requests_seen_) {
    bool undecided = false;
    const bool request = begins_request(in.bytes.subspan(at), undecided);
    if (undecided && !in.whole) return Step::need();
    if (request) client_.phase = Phase::kStart;
    if (request) return Step::need();
  }
  client_.phase = Phase::kStart;
  return Step::consumed(at + client_.content_length);
}

// The bytes up to the last one are skipped, so that the end is noticed.
Step Http1::body_begins(Side& side) noexcept {
  const bool answer = &side == &server_;
  if (side.chunked) {
    side.phase = Phase::kChunkSize;
    return Step::need();
  }
  const bool until_close =
      answer && (!side.fields.has(HttpField::kContentLength) || side.bad_length);
  if (until_close) {
    side.phase = Phase::kEndless;
    return Step::need();
  }
  side.phase = answer ? Phase::kLastByte : Phase::kStart;
  const uint64_t skipped = side.content_length - (answer ? 1 : 0);
  if (answer) length_ = skipped;
  return skipped != 0 ? Step::consumed(skipped) : Step::need();
}

void Http1::queue(Output& out) noexcept {
  if (beyond_ != 0 || waiting_ == kRequestsMax) {
    ++beyond_;
    return tell_alone(out);
  }
  request_.shown = show_http_request(out, request_facts_.facts(), waiting_);
  const auto slot = static_cast<uint8_t>((first_ + waiting_) % kRequestsMax);
  for (unsigned i = 0; !store_.put(slot, request_facts_.facts()) && i < waiting_; ++i) {
    const auto old = static_cast<uint8_t>((first_ + i) % kRequestsMax);
    if (!requests_[old].told) tell(requests_[old], old, false, out);
    requests_[old].told = true;
    store_.drop(old);
  }
  requests_[slot] = request_;
  ++waiting_;
}

Step Http1::response_head_ends(Output& out) noexcept {
  const auto method = waiting_ != 0 ? oldest().method : Request::Method::kPlain;
  if (status_ / 100 == 1 && status_ != 101) {  // RFC 9110 section 15.2: the answer is still to come
    server_.phase = Phase::kStart;
    return Step::need();
  }
  ++answers_seen_;
  show_answer(out);
  const bool connected = method == Request::Method::kConnect && status_ / 100 == 2;
  if (method == Request::Method::kConnect && !connected && client_.phase == Phase::kHeld) {
    client_.phase = Phase::kStart;
  }
  if (status_ == 101 || connected) {
    switched_ = offers_http2_ && status_ == 101 && waiting_ != 0 && oldest().wants_http2;
    const uint8_t owner = first_;
    if (switched_) {
      request_facts_.clear();
      store_.copy(owner, request_facts_);
    }
    answer(out);
    if (connected) return Step::become(EvidenceKind::kAny, 0);
    return switched_ ? Step::consumed(0) : Step::finished();
  }
  if (server_.chunked && server_.fields.has(HttpField::kContentLength)) {
    fault(server_, Fault::kLengthAndChunked, out);
  }
  if (server_.chunked && server_.version == 0) fault(server_, Fault::kChunkedOldProtocol, out);
  const bool no_body = method == Request::Method::kHead || status_ == 204 || status_ == 304 ||
                       (!server_.chunked && server_.content_length == 0 && !server_.bad_length &&
                        server_.fields.has(HttpField::kContentLength));
  if (no_body) {
    complete(server_, out);
    return Step::need();
  }
  return body_begins(server_);
}

void Http1::complete(Side& side, Output& out) noexcept {
  if (&side == &server_) {
    if (side.phase == Phase::kLastByte) ++length_;
    answer(out);
  }
  side.phase = Phase::kStart;
}

// The answer at hand is complete: it is told with the oldest request that waits.
void Http1::answer(Output& out) noexcept {
  server_.phase = Phase::kStart;
  if (waiting_ == 0) {
    if (beyond_ != 0) {  // told before
      --beyond_;
      return;
    }
    return tell(Request{}, kRequestsMax, true, out);
  }
  if (!oldest().told) tell(oldest(), first_, true, out);
  store_.drop(first_);
  first_ = static_cast<uint8_t>((first_ + 1) % kRequestsMax);
  --waiting_;
}

// The request at hand, of which rules have seen nothing.
void Http1::tell_alone(Output& out) noexcept {
  FactWriter& facts = out.fresh();
  facts.append(request_facts_);
  complete_http_request(facts);
  tell_http(out, facts, request_.login, 0, 0);
}

// Returns how much of it rules have seen.
uint16_t Http1::write_request(const Request& r, uint8_t owner, FactWriter& facts) const noexcept {
  store_.copy(owner, facts);
  complete_http_request(facts);
  return r.shown ? facts.used() : uint16_t{0};
}

void Http1::write_answer(FactWriter& facts) const noexcept {
  if (status_ != 0) facts.number(Fact::kHttpStatus, status_);
  facts.append(response_);
}

// Rules judge an answer by its head; it is told when its body is over.
void Http1::show_answer(Output& out) noexcept {
  shown_ = 0;
  if (!out.is_judged(EvidenceKind::kHttp) || waiting_ == 0 || oldest().told) return;
  FactWriter& facts = out.fresh();
  const uint16_t request = write_request(oldest(), first_, facts);
  write_answer(facts);
  out.show(EvidenceKind::kHttp, facts, request);
  shown_ = facts.used();
}

void Http1::tell(Request r, uint8_t owner, bool answered, Output& out) noexcept {
  FactWriter& facts = out.fresh();
  uint16_t shown = write_request(r, owner, facts);
  if (answered) {
    write_answer(facts);
    if (shown_ != 0) shown = shown_;
    facts.number(Fact::kHttpLength, length_);
    shown_ = 0;
  }
  tell_http(out, facts, r.login, answered ? status_ : 0, shown);
}

void Http1::end(Output& out) noexcept {
  if (server_.phase != Phase::kStart) {
    length_ -= std::min(length_, out.never_came(false));
    answer(out);
  }
  for (; waiting_ != 0; --waiting_) {
    if (!oldest().told) tell(oldest(), first_, false, out);
    store_.drop(first_);
    first_ = static_cast<uint8_t>((first_ + 1) % kRequestsMax);
  }
  if (client_.phase != Phase::kFields) return;  // else its head did not end
  tell_alone(out);
  client_.phase = Phase::kStart;
}

}  // namespace weir::parse
