// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/http2.h"

#include "dataplane/parse/cursor.h"

namespace weir::parse {

namespace {

constexpr size_t kFrameHeadBytes = 9;
constexpr size_t kSettingsMax = 16;
constexpr uint8_t kEndStream = 1, kAck = 1, kEndHeaders = 4, kPadded = 8, kPriority = 0x20;
enum Type : uint8_t {
  kData,
  kHeaders,
  kPriorityFrame,
  kReset,
  kSettings,
  kPushPromise,
  kPing,
  kGoAway,
  kWindowUpdate,
  kContinuation
};

std::string_view setting_name(uint16_t id) noexcept {
  constexpr std::string_view kNames[] = {
      "SETTINGSHEADERTABLESIZE",   "SETTINGSENABLEPUSH",   "SETTINGSMAXCONCURRENTSTREAMS",
      "SETTINGSINITIALWINDOWSIZE", "SETTINGSMAXFRAMESIZE", "SETTINGSMAXHEADERLISTSIZE"};
  return id >= 1 && id <= std::size(kNames) ? kNames[id - 1] : "UNKNOWN";
}

std::string_view error_name(uint32_t code) noexcept {
  constexpr std::string_view kNames[] = {"NOERROR",
                                         "PROTOCOLERROR",
                                         "INTERNALERROR",
                                         "FLOWCONTROLERROR",
                                         "SETTINGSTIMEOUT",
                                         "STREAMCLOSED",
                                         "FRAMESIZEERROR",
                                         "REFUSEDSTREAM",
                                         "CANCEL",
                                         "COMPRESSIONERROR",
                                         "CONNECTERROR",
                                         "ENHANCEYOURCALM",
                                         "INADEQUATESECURITY",
                                         "HTTP11REQUIRED"};
  return code < std::size(kNames) ? kNames[code] : "UNKNOWN";
}

// What of a frame's payload is no padding. false: there is more padding than frame.
bool without_padding(uint8_t flags, Bytes& payload) noexcept {
  if ((flags & kPadded) == 0) return true;
  if (payload.empty() || payload[0] >= payload.size()) return false;
  payload = payload.subspan(1, payload.size() - 1 - payload[0]);
  return true;
}

}  // namespace

Http2::Frame Http2::frame_at(Bytes bytes) noexcept {
  Cursor c(bytes);
  Frame f;
  f.bytes = c.be24();
  f.type = c.u8();
  f.flags = c.u8();
  f.stream = c.be32() & 0x7fffffff;
  return f;
}

Step Http2::parse(const Input& in, Output& out) noexcept {
  if (in.from_client && !preface_seen_) {
    if (!could_start_with(in.bytes, kHttp2Preface)) return Step::malformed("invalid_client_magic");
    if (in.bytes.size() < kHttp2Preface.size()) return Step::need(kHttp2Preface.size());
    preface_seen_ = true;
    return Step::consumed(kHttp2Preface.size());
  }
  if (in.bytes.size() < kFrameHeadBytes) return Step::need(kFrameHeadBytes);
  const Frame f = frame_at(in.bytes);
  if (f.bytes > frame_bytes_max_[in.from_client ? 1 : 0]) {
    if (f.type > kContinuation) return Step::malformed("invalid_frame_header");
    if (!long_told_) out.violation(EvidenceKind::kHttp, "long_frame_data");
    long_told_ = true;
  }
  switch (f.type) {
    case kData:
      return data(f, in, out);
    case kHeaders:
    case kPushPromise:
      return headers(f, in, out);
    case kSettings:
      return settings(f, in, out);
    case kReset:
    case kGoAway:
      return error(f, in, out);
    default:
      return Step::consumed(kFrameHeadBytes + f.bytes);
  }
}

Step Http2::data(const Frame& f, const Input& in, Output& out) noexcept {
  uint64_t bytes = f.bytes;
  if ((f.flags & kPadded) != 0 && bytes != 0) {
    if (in.bytes.size() <= kFrameHeadBytes) return Step::need(kFrameHeadBytes + 1);
    const uint64_t padding = in.bytes[kFrameHeadBytes] + uint64_t{1};
    if (padding > bytes) out.violation(EvidenceKind::kHttp, "invalid_frame_data");
    bytes -= std::min(bytes, padding);
  }
  Stream* s = find(f.stream);
  if (s != nullptr && !in.from_client) s->length += bytes;
  if ((f.flags & kEndStream) != 0) ended(s, in.from_client, out);
  return Step::consumed(kFrameHeadBytes + f.bytes);
}

Step Http2::headers(const Frame& f, const Input& in, Output& out) noexcept {
  size_t behind = kFrameHeadBytes + f.bytes;
  if (behind > kMessageBytesMax) return Step::malformed("reassembly_limit_reached");
  if (in.bytes.size() < behind) return Step::need(behind);
  Bytes payload = in.bytes.subspan(kFrameHeadBytes, f.bytes);
  if (!without_padding(f.flags, payload)) return Step::malformed("invalid_frame_data");
  Cursor c(payload);
  uint32_t stream = f.stream;
  int priority = -1;
  if (f.type == kPushPromise) {
    stream = c.be32() & 0x7fffffff;
  } else if ((f.flags & kPriority) != 0) {
    c.be32();
    priority = c.u8();
  }
  if (!c.ok() || stream == 0) return Step::malformed("invalid_frame_data");
  HeaderBlock block;
  block.add(c.rest());
  for (uint8_t flags = f.flags; (flags & kEndHeaders) == 0;) {
    if (in.bytes.size() < behind + kFrameHeadBytes) return Step::need(behind + kFrameHeadBytes);
    const Frame more = frame_at(in.bytes.subspan(behind));
    if (more.type != kContinuation || more.stream != f.stream) {
      return Step::malformed("invalid_frame_header");
    }
    const size_t from = behind + kFrameHeadBytes;
    behind = from + more.bytes;
    if (behind > kMessageBytesMax) return Step::malformed("reassembly_limit_reached");
    if (in.bytes.size() < behind) return Step::need(behind);
    if (!block.add(in.bytes.subspan(from, more.bytes))) {
      return Step::malformed("reassembly_limit_reached");
    }
    flags = more.flags;
  }
  const bool request = in.from_client || f.type == kPushPromise;
  std::string_view why;
  if (!read_block(block, stream, request, in, out, why)) return Step::malformed(why);
  Stream* s = find(stream);
  if (s != nullptr && priority >= 0) {
    FactList<16> facts;
    facts.number(in.from_client ? Fact::kHttp2RequestPriority : Fact::kHttp2ResponsePriority,
                 static_cast<uint64_t>(priority));
    store_.put(owner(*s), facts.facts());
  }
  if (f.type == kHeaders && (f.flags & kEndStream) != 0) ended(s, in.from_client, out);
  return Step::consumed(behind);
}

// A stream's first block is its request, the first final one of the other side its answer; what
// else comes (informational answers, trailers, of a stream that was told) is read for the table.
bool Http2::read_block(HeaderBlock& block, uint32_t stream, bool request, const Input& in,
                       Output& out, std::string_view& why) noexcept {
  uint32_t& newest = newest_[stream & 1];
  Stream* s = nullptr;
  bool wanted = false;
  if (request && stream > newest) {
    newest = stream;
    s = open(stream, out);
    wanted = true;
  } else {
    s = find(stream);
    wanted = !request && s != nullptr && s->status == 0;
  }
  FactList<2560> facts;
  HttpFieldSet seen;
  const HeadersOf whose = request ? HeadersOf::kRequest : HeadersOf::kResponse;
  HeaderList list(whose);
  uint8_t room[kHpackRoom];
  HeaderField h;
  uint64_t status = 0;
  HpackResult r;
  while ((r = next_header(block, tables_[in.from_client ? 1 : 0], room, h)) ==
         HpackResult::kField) {
    if (!wanted) continue;
    const bool counts = h.field != HttpField::kOther && seen.add(h.field);
    if (counts && request) {
      request_field(facts, h, s, out);
    } else if (counts && h.field == HttpField::kStatus) {
      read_decimal(h.value, status);
    } else if (counts && (h.field != HttpField::kLocation || status / 100 == 3)) {
      write_http_response_field(facts, h.field, h.value);
    }
    list.add(h, facts.facts());
  }
  if (r != HpackResult::kEnd) {
    why = r == HpackResult::kTooBig ? "header_integer_overflow" : "invalid_header";
    return false;
  }
  if (!wanted || (!request && status / 100 == 1)) return true;
  if (!request) s->status = static_cast<uint16_t>(std::min<uint64_t>(status, 999));
  keep_facts(*s, facts.facts(), out);
  if (request) s->request_bytes = facts.used();
  keep_list(*s, list, whose);
  show(*s, out);
  return true;
}

// Lists of headers make room, the oldest first; then whole streams do, told as far as they came.
void Http2::keep_facts(Stream& s, Bytes facts, Output& out) noexcept {
  bool with_lists = true;
  while (!store_.put(owner(s), facts)) {
    Stream* oldest = nullptr;
    for (Stream& other : streams_) {
      if (other.id == 0 || (oldest != nullptr && other.id > oldest->id)) continue;
      if (with_lists ? has_list(other) : &other != &s) oldest = &other;
    }
    if (oldest != nullptr && with_lists) {
      drop_lists(*oldest);
    } else if (with_lists) {
      with_lists = false;
    } else if (oldest != nullptr) {
      tell(*oldest, out);
    } else {
      break;
    }
  }
}

void Http2::keep_list(Stream& s, const HeaderList& list, HeadersOf whose) noexcept {
  s.headers_read[static_cast<unsigned>(whose)] = true;
  store_.put(owner(s, whose), list.packed());
}

bool Http2::has_list(const Stream& s) const noexcept {
  return !store_.first(owner(s, HeadersOf::kRequest)).empty() ||
         !store_.first(owner(s, HeadersOf::kResponse)).empty();
}

void Http2::drop_lists(const Stream& s) noexcept {
  store_.drop(owner(s, HeadersOf::kRequest));
  store_.drop(owner(s, HeadersOf::kResponse));
}

void Http2::request_field(FactWriter& facts, const HeaderField& h, Stream* s,
                          Output& out) noexcept {
  switch (h.field) {
    case HttpField::kMethod:
      return facts.text(Fact::kHttpMethod, h.value, 32);
    case HttpField::kPath:
      return facts.text(Fact::kHttpUrl, h.value, kHttpUrlMax);
    case HttpField::kAuthority:
    case HttpField::kHost:
      if (std::find(h.value.begin(), h.value.end(), uint8_t{'@'}) != h.value.end()) {
        out.violation(EvidenceKind::kHttp, "userinfo_in_uri");
      }
      if (find_fact(facts.facts(), Fact::kHttpHostname).fact == Fact::kCount) {
        write_http_host(facts, split_host(h.value));
      }
      return;
    case HttpField::kAuthorization:
    case HttpField::kProxyAuthorization:
      if (s->login == HttpLogin::kNone) s->login = write_http_authorization(facts, h.value);
      return;
    default:
      return write_http_request_field(facts, h.field, h.value);
  }
}

Step Http2::settings(const Frame& f, const Input& in, Output& out) noexcept {
  const size_t all = kFrameHeadBytes + f.bytes;
  if (f.bytes % 6 != 0 || f.stream != 0) return Step::malformed("invalid_frame_data");
  if ((f.flags & kAck) != 0 || f.bytes == 0) return Step::consumed(all);
  const size_t looked_at = std::min(all, kFrameHeadBytes + kSettingsMax * 6);
  if (in.bytes.size() < looked_at) return Step::need(looked_at);
  FactWriter& facts = out.fresh();
  facts.text(Fact::kHttpVersion, std::string_view("2"));
  facts.number(Fact::kHttp2Stream, 0);
  Cursor c(in.bytes.subspan(kFrameHeadBytes, looked_at - kFrameHeadBytes));
  const bool client = in.from_client;
  while (c.left() >= 6) {
    const uint16_t id = c.be16();
    const uint32_t value = c.be32();
    facts.item(client ? Fact::kHttp2RequestSetting : Fact::kHttp2ResponseSetting);
    facts.text(client ? Fact::kHttp2RequestSettingId : Fact::kHttp2ResponseSettingId,
               setting_name(id));
    facts.number(client ? Fact::kHttp2RequestSettingValue : Fact::kHttp2ResponseSettingValue,
                 value);
    if (id == 5) frame_bytes_max_[client ? 0 : 1] = value;  // what the other one may send
  }
  out.tell(EvidenceKind::kHttp, facts);
  return Step::consumed(all);
}

Step Http2::error(const Frame& f, const Input& in, Output& out) noexcept {
  const bool reset = f.type == kReset;
  const size_t wanted = kFrameHeadBytes + (reset ? 4 : 8);
  if (kFrameHeadBytes + f.bytes < wanted) return Step::malformed("invalid_frame_data");
  if (in.bytes.size() < wanted) return Step::need(wanted);
  const std::string_view name = error_name(load_be32(in.bytes.data() + wanted - 4));
  const Fact fact = in.from_client ? Fact::kHttp2RequestError : Fact::kHttp2ResponseError;
  Stream* s = find(f.stream);
  if (reset && s != nullptr) {
    FactList<32> facts;
    facts.text(fact, name);
    store_.put(owner(*s), facts.facts());
    tell(*s, out);
  } else if (!reset) {
    FactWriter& facts = out.fresh();
    facts.text(Fact::kHttpVersion, std::string_view("2"));
    facts.number(Fact::kHttp2Stream, 0);
    facts.text(fact, name);
    out.tell(EvidenceKind::kHttp, facts);
  }
  return Step::consumed(kFrameHeadBytes + f.bytes);
}

void Http2::upgraded(const FactWriter& request) noexcept {
  newest_[1] = 1;
  streams_[0] = Stream{.id = 1, .request_bytes = request.used()};
  store_.put(0, request.facts());
  FactList<kFactBytesMax> facts;
  write_event(streams_[0], facts);
  streams_[0].shown = facts.used();  // in HTTP/1
}

Http2::Stream* Http2::find(uint32_t id) noexcept {
  for (Stream& s : streams_) {
    if (s.id == id && id != 0) return &s;
  }
  return nullptr;
}

Http2::Stream* Http2::open(uint32_t id, Output& out) noexcept {
  Stream* slot = &streams_[0];
  for (Stream& s : streams_) {
    if (s.id < slot->id) slot = &s;  // a free one, or else the oldest
  }
  if (slot->id != 0) tell(*slot, out);
  *slot = Stream{.id = id};
  return slot;
}

void Http2::ended(Stream* s, bool from_client, Output& out) noexcept {
  if (s != nullptr && !from_client) tell(*s, out);
}

// Grows at its end as more is kept of the stream.
void Http2::write_event(const Stream& s, FactWriter& facts) const noexcept {
  FactList<kFactBytesMax> kept;
  store_.copy(owner(s), kept);
  const size_t asked = std::min<size_t>(s.request_bytes, kept.used());
  facts.text(Fact::kHttpVersion, std::string_view("2"));
  facts.number(Fact::kHttp2Stream, s.id);
  facts.append(kept.facts().first(asked));
  complete_http_request(facts);
  if (s.status != 0) facts.number(Fact::kHttpStatus, s.status);
  facts.append(kept.facts().subspan(asked));
}

// Rules judge a request, then its answer by its head.
void Http2::show(Stream& s, Output& out) const noexcept {
  if (!out.is_judged(EvidenceKind::kHttp)) return;
  FactWriter& facts = out.fresh();
  write_event(s, facts);
  out.show(EvidenceKind::kHttp, facts, s.shown, Output::kSomeAhead);
  s.shown = facts.used();
}

void Http2::tell(Stream& s, Output& out) noexcept {
  FactWriter& facts = out.fresh();
  write_event(s, facts);
  if (s.status != 0) facts.number(Fact::kHttpLength, s.length);
  for (const HeadersOf whose : {HeadersOf::kRequest, HeadersOf::kResponse}) {
    if (!s.headers_read[static_cast<unsigned>(whose)]) continue;
    write_header_list(facts, store_.first(owner(s, whose)), whose);
  }
  tell_http(out, facts, s.login, s.status, s.shown);
  store_.drop(owner(s));
  drop_lists(s);
  s = Stream{};
}

void Http2::end(Output& out) noexcept {
  for (Stream& s : streams_) {
    if (s.id != 0) tell(s, out);
  }
}

}  // namespace weir::parse
