// SPDX-License-Identifier: Apache-2.0
// Any sequence of verdict commands and packets: what the table finds is what a plain scan of the
// verdicts that should stand finds, each packet is decided so, reports tell what happened, and
// nothing is read outside. Values come from small pools, so that matches collide.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/base/check.h"
#include "dataplane/flow/flow.h"
#include "dataplane/verdict/meter.h"
#include "dataplane/verdict/verdict.h"
#include "dataplane/verdict/verdict_table.h"
#include "tests/support/ends_ignored.h"
#include "tests/support/frames.h"

namespace weir {
namespace {

using testing::Frame;

constexpr uint32_t kVerdictsMax = 16;

class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
  bool is_empty() const { return at_ == end_; }
  uint8_t byte() { return at_ == end_ ? 0 : *at_++; }
  template <class T>
  void raw(T& value) {
    auto* out = reinterpret_cast<uint8_t*>(&value);
    for (size_t i = 0; i < sizeof value; ++i) out[i] = byte();
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

IpAddress address_of(uint8_t b) {
  const uint8_t v4[4] = {10, 0, static_cast<uint8_t>(b >> 2 & 1), static_cast<uint8_t>(b & 3)};
  IpAddress a = IpAddress::from_v4(v4);
  if ((b & 0x80) != 0) a.bytes[10] = 0x20;  // not mapped: IPv6
  return a;
}

IpPrefix prefix_of(uint8_t b, uint8_t length) {
  static constexpr uint8_t kBits[] = {0, 128, 127, 120, 96, 64, 1, 255};  // 255: must be tamed
  return {address_of(b), kBits[length % 8]};
}

// What should stand, in the order in which it was installed.
struct Reference {
  std::vector<Verdict> all;

  void remove(VerdictId id) {
    std::erase_if(all, [id](const Verdict& v) { return v.id == id; });
  }
  static unsigned rank(const Verdict& v) {
    // pass alert drop reject ratelimit keep spare
    static constexpr unsigned kOfAction[] = {5, 0, 4, 3, 1, 2, 0};
    if (v.action == Action::kSpare) return 0;
    return (v.origin == Origin::kOperator ? 8u : 0u) + kOfAction[static_cast<unsigned>(v.action)];
  }
  // Until it is swept, as flows keep what they found.
  bool is_spared(const Verdict& v, const VerdictSubject& s) const {
    return std::any_of(all.begin(), all.end(), [&](const Verdict& other) {
      return other.action == Action::kSpare && other.spared_from == v.id && matches(other.match, s);
    });
  }
  const Verdict* find(const VerdictSubject& s, TimeNs now) const {
    const Verdict* best = nullptr;
    for (const Verdict& v : all) {
      if (v.expire_ns <= now || !matches(v.match, s) || is_spared(v, s)) continue;
      if (best == nullptr || rank(v) > rank(*best) || (rank(v) == rank(*best) && v.id > best->id)) {
        best = &v;
      }
    }
    return best;
  }
};

class Machine : public VerdictReports {
 public:
  Machine(const uint8_t* data, size_t size) : in_(data, size) {}
  void report(const VerdictReport& r) override {
    last_ = r;
    ++reports_;
    if (r.kind == ReportKind::kStanding) ++listed_;
    if (r.kind == ReportKind::kExpired) {
      CHECK(r.verdict.expire_ns <= now_);
      reference_.remove(r.verdict.id);
    }
  }
  void run() {
    constexpr int kStepsMax = 2000;
    for (int i = 0; i < kStepsMax && !in_.is_empty(); ++i) {
      now_ += in_.byte() & 3;
      switch (in_.byte() % 8) {
        case 0:
        case 1:
          install(chosen());
          break;
        case 2: {
          Verdict v;  // any bytes whatever, as a control plane gone mad would send
          in_.raw(v);
          if (static_cast<unsigned>(v.action) > 6) v.action = Action::kDrop;
          if (static_cast<unsigned>(v.origin) > 2) v.origin = Origin::kModel;
          if (static_cast<unsigned>(v.limit.per) > 2) v.limit.per = RateLimit::Per::kVerdict;
          auto* either = reinterpret_cast<uint8_t*>(&v.match.either);
          *either = *either & 1u;
          install(v);
          break;
        }
        case 3:
          remove(in_.byte() % 24);
          break;
        case 4:
          list();
          break;
        case 5:
          verdicts_.step(now_, *this);
          break;
        default:
          packet();
          break;
      }
      CHECK(verdicts_.standing() == reference_.all.size());
    }
  }

 private:
  Verdict chosen() {
    Verdict v;
    v.id = in_.byte() % 24;
    v.expire_ns = now_ + in_.byte();
    v.action = static_cast<Action>(in_.byte() % 7);
    if (v.action == Action::kSpare) v.spared_from = in_.byte() % 24;
    v.origin = static_cast<Origin>(in_.byte() % 3);
    v.limit.packets_per_second = in_.byte();
    v.limit.per = static_cast<RateLimit::Per>(in_.byte() % 3);
    const uint8_t fields = in_.byte();
    if ((fields & 1) != 0) v.match.src = prefix_of(in_.byte(), in_.byte());
    if ((fields & 2) != 0) v.match.dst = prefix_of(in_.byte(), in_.byte());
    if ((fields & 4) != 0) v.match.src_port = in_.byte() & 3;
    if ((fields & 8) != 0) v.match.dst_port = in_.byte() & 3;
    if ((fields & 16) != 0) v.match.proto = kProtoUdp;
    if ((fields & 32) != 0) v.match.mac = {2, 0, 0, 0, 0, static_cast<uint8_t>(in_.byte() & 3)};
    if ((fields & 64) != 0) v.match.app = in_.byte() & 3;
    v.match.either = (fields & 128) != 0;
    return v;
  }
  static bool is_all(const VerdictMatch& m) {
    return m.src.bits == 0 && m.dst.bits == 0 && m.src_port == 0 && m.dst_port == 0 && m.app == 0 &&
           m.proto == 0 && m.mac == MacAddress{};
  }
  void install(Verdict v) {
    VerdictCommand c{.kind = CommandKind::kInstall, .verdict = v};
    reports_ = 0;
    verdicts_.apply(c, flows_, now_, *this);
    CHECK(reports_ == 1 && last_.verdict.id == v.id);
    const bool refused = last_.kind == ReportKind::kRefused;
    const bool is_bad =
        is_all(v.match) || v.id == 0 || (v.action == Action::kSpare && v.spared_from == 0);
    CHECK(!is_bad || refused);
    if (is_bad) return;
    reference_.remove(v.id);
    if (refused) {  // only for want of room: entries here, shapes never (fewer than there may be)
      CHECK(reference_.all.size() == kVerdictsMax);
      return;
    }
    v.match.src.bits = std::min<uint8_t>(v.match.src.bits, 128);
    v.match.dst.bits = std::min<uint8_t>(v.match.dst.bits, 128);
    reference_.all.push_back(v);
  }
  void remove(VerdictId id) {
    VerdictCommand c{.kind = CommandKind::kRemove};
    c.verdict.id = id;
    reports_ = 0;
    verdicts_.apply(c, flows_, now_, *this);
    CHECK(reports_ == 1 && last_.kind == ReportKind::kRemoved && last_.verdict.id == id);
    reference_.remove(id);
  }
  void list() {
    verdicts_.apply({.kind = CommandKind::kList}, flows_, now_, *this);
    listed_ = 0;
    for (int i = 0; i < 4; ++i) verdicts_.step(now_, *this);
    CHECK(last_.kind == ReportKind::kListEnd || last_.kind == ReportKind::kExpired);
    CHECK(listed_ >= reference_.all.size() && listed_ <= kVerdictsMax);
  }
  void packet() {
    const uint8_t kind = in_.byte();
    const IpAddress src = address_of(in_.byte() & 0x7f), dst = address_of(in_.byte() & 0x7f);
    const uint8_t ports = in_.byte(), macs = in_.byte();
    Frame f = Frame().ethernet().ipv4(to_string(src).c_str(), to_string(dst).c_str(), kProtoUdp);
    f.udp(ports & 3, ports >> 2 & 3, "x");
    const PacketView whole = f.view(now_);
    std::vector<uint8_t> bytes(whole.data, whole.data + whole.bytes);
    const uint8_t mac[12] = {2, 0, 0, 0, 0, static_cast<uint8_t>(macs >> 2 & 3),
                             2, 0, 0, 0, 0, static_cast<uint8_t>(macs & 3)};
    std::copy_n(mac, sizeof mac, bytes.begin());
    PacketView p = whole;
    p.data = bytes.data();
    Headers h;
    decode_packet(p, LinkType::kEthernet, h);
    Tracked t;
    if ((kind & 1) != 0) track({&p, 1}, {&h, 1}, 0, flows_, stats_, {&t, 1}, ended_);
    bool known = false;
    if (t.flow != nullptr && (kind & 2) != 0) {  // it shows what it is only now
      known = t.flow->app != (kind >> 2 & 3);
      t.flow->app = kind >> 2 & 3;
    }
    decide(p, h, t, known);
  }
  void decide(const PacketView& p, const Headers& h, const Tracked& t, bool known) {
    VerdictSubject s{h.src, h.dst, h.src_port, h.dst_port, 0, 0, h.proto, {}, {}};
    std::copy_n(p.data + 6, 6, s.src_mac.begin());
    std::copy_n(p.data, 6, s.dst_mac.begin());
    if (t.flow != nullptr) {
      const Endpoints e = endpoints_of(*t.flow);
      const FlowCold& c = flows_.cold(t.index);
      s = {e.src,   e.dst,     e.src_port, e.dst_port, t.flow->app, t.flow->app_master,
           e.proto, c.src_mac, c.dst_mac};
    }
    Decision d;
    Hits none;
    verdicts_.judge({&p, 1}, {&h, 1}, {&t, 1}, flows_, {&d, 1});
    const Plight plight;
    WireSettings wire;
    wire.mode = Mode::kEnforce;
    verdicts_.decide({&p, 1}, {&t, 1}, {&known, 1}, {&none, 1}, {&plight, 1}, nullptr, wire, flows_,
                     {&d, 1});
    const Verdict* best = reference_.find(s, now_);
    const Action action = best == nullptr ? Action::kPass : best->action;
    if (action == Action::kDrop || action == Action::kKeep) CHECK(d.reason == Reason::kVerdictDrop);
    if (action == Action::kReject) CHECK(d.reason == Reason::kVerdictReject && d.answer);
    if (action == Action::kPass || action == Action::kAlert || action == Action::kSpare) {
      CHECK(d.reason == Reason::kNone);
    }
    if (action == Action::kRateLimit) {
      CHECK(d.reason == Reason::kNone || d.reason == Reason::kVerdictRateLimit);
    }
    CHECK(d.verdict == (d.reason == Reason::kNone ? 0 : best->id));
    if (d.reason == Reason::kNone) verdicts_.passed({&p, 1}, {&t, 1}, row(0));
  }

  Input in_;
  TimeNs now_ = 1;
  FlowTable flows_{[] {
                     FlowSettings s;
                     s.flows_max = 64;
                     return s;
                   }(),
                   0, 1};
  TrackStats stats_;
  EndsIgnored ended_;
  Meters meters_{1};
  Verdicts verdicts_{kVerdictsMax, meters_};
  Reference reference_;
  VerdictReport last_;
  unsigned reports_ = 0, listed_ = 0;
};

}  // namespace
}  // namespace weir

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto machine = std::make_unique<weir::Machine>(data, size);
  machine->run();
  return 0;
}
