// SPDX-License-Identifier: Apache-2.0
// TCP streams through a whole worker: what rules see of them, and what gets through.
#include <map>
#include <random>
#include <set>

#include "tests/support/one_worker.h"

namespace weir {
namespace {

using namespace testing;

TEST_F(WorkerTest, AContentIsFoundAcrossSegmentsAndToldOnce) {
  start(Mode::kEnforce, "alert tcp any any -> any 80 (msg:\"evil\"; content:\"evil\"; sid:1;)\n");
  const uint32_t at = 0xfffffffe;  // wraps inside
  const Frame one = piece("xxe", at), two = piece("vi", at + 3), three = piece("l!", at + 5),
              four = piece("more", at + 7);
  const auto hits = [&] {
    const auto types = events();
    return std::count(types.begin(), types.end(), RecordType::kRuleHit);
  };
  for (const Frame* f : {&one, &two}) send(*f);
  EXPECT_EQ(hits(), 0);
  send(three);
  EXPECT_EQ(hits(), 1);
  send(four);
  EXPECT_EQ(hits(), 0);
}

// RFC 7413: the request comes with the SYN, the answer with the SYN that accepts it.
TEST_F(WorkerTest, ARequestWithTheSynIsReadOnceTheConnectionGoesOn) {
  start(Mode::kEnforce);
  const std::string get = "GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
  const Frame syn = Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, kTcpSyn, get, 1);
  const Frame answer =
      Frame()
          .ethernet()
          .ipv4("10.0.0.2", "10.0.0.1")
          .tcp(80, 1000, kTcpSyn | kTcpAck, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 9,
               2 + static_cast<uint32_t>(get.size()));
  const auto evidence = [&] {
    const auto types = events();
    return std::count(types.begin(), types.end(), RecordType::kEvidence);
  };
  const auto parsed = [&] {
    worker->publish_stats();
    return segment->worker(0).stats.parse_flows.get();
  };
  send(syn);
  send(syn);
  EXPECT_EQ(parsed(), 0u) << "a SYN alone takes no parser's state";
  send(answer, Side::kB);
  EXPECT_EQ(parsed(), 1u);
  EXPECT_EQ(evidence(), 1);
  EXPECT_EQ(wire.sent[0] + wire.sent[1], 3u);
}

// What a receiver may deliver at once is judged at once.
TEST_F(WorkerTest, AContentInASynIsDroppedAtOnceAndToldOnce) {
  start(Mode::kEnforce, "alert tcp any any -> any 80 (content:\"evil\"; sid:1;)\n");
  const Frame syn =
      Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, kTcpSyn, "an evil thing", 1);
  const auto hits = [&] {
    const auto types = events();
    return std::count(types.begin(), types.end(), RecordType::kRuleHit);
  };
  send(syn);
  EXPECT_EQ(hits(), 1);
  const Frame more = piece(" more", 15);
  send(more);
  EXPECT_EQ(hits(), 0);
}

TEST_F(WorkerTest, TheSegmentThatEndsASplitContentIsDropped) {
  start(Mode::kEnforce, kDropEvil);
  const Frame one = piece("GET /e", 2), two = piece("vil", 8);
  send(one);
  wire.in[0].push_back(&two);
  worker->poll(now += kNsPerMs);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 1u);
  EXPECT_EQ(wire.sent[0], 1u);
}

// Where the receiver has acknowledged, it takes nothing of a copy: whatever that says there, what
// follows is joined to what was said first.
TEST_F(WorkerTest, ACopyThatLiesAboutWhatIsAcknowledgedHidesNothing) {
  start(Mode::kEnforce, kDropEvil);
  send(kSyn);
  send(kSynAck, Side::kB);
  const Frame one = piece("GET /e", 1), lie = piece("xxxxxxvil", 1);
  send(one);
  const Frame ack =
      Frame().ethernet().ipv4("10.0.0.2", "10.0.0.1").tcp(80, 1000, kTcpAck, "", 1, 7);
  send(ack, Side::kB);
  send(lie);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 1u);
}

// Some receivers leave the urgent byte out, some do not: where we enforce there is none.
TEST_F(WorkerTest, UrgentDataIsReadInLineByAll) {
  start(Mode::kEnforce, kDropEvil);
  const Frame sealed =
      Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, kTcpAck | kTcpUrg, "abc", 1);
  bool is_clear = false;
  wire.watch = [&](const PacketView& p) {
    Headers h;
    decode_packet(p, LinkType::kEthernet, h);
    is_clear = (h.tcp_flags & kTcpUrg) == 0 && load_be16(p.data + h.l4_offset + 18) == 0;
    EXPECT_EQ(checksum_anomaly(p, h), Anomaly::kNone);
  };
  send(sealed);
  EXPECT_TRUE(is_clear);
  EXPECT_EQ(wire.sent[0], 1u);
}

TEST_F(WorkerTest, WithoutTheRightToDropNothingIsRewritten) {
  start(Mode::kSimulate, kDropEvil);
  const Frame sealed =
      Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, kTcpAck | kTcpUrg, "abc", 1);
  bool is_urgent = false;
  wire.watch = [&](const PacketView& p) {
    Headers h;
    decode_packet(p, LinkType::kEthernet, h);
    is_urgent = (h.tcp_flags & kTcpUrg) != 0;
  };
  send(sealed);
  EXPECT_TRUE(is_urgent);
}

TEST_F(WorkerTest, WhatAGapPartsIsNotJoined) {
  start(Mode::kEnforce, kDropEvil);
  const Frame one = piece("GET /e", 2), gap = piece("vil", 9);
  send(one);
  send(gap);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 0u);
}

// In any order: the one that makes it readable is dropped, and nobody has read it yet.
TEST_F(WorkerTest, TheSegmentThatFillsTheGapBeforeAContentIsDropped) {
  start(Mode::kEnforce, kDropEvil);
  const Frame first = piece("GET ", 2), gap = piece("/e", 6), rest = piece("v", 8),
              last = piece("il HTTP", 9);
  for (const Frame* f : {&first, &last, &rest}) send(*f);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 0u);
  send(gap);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 1u);
  send(gap);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 2u) << "and the rest of its flow";
  EXPECT_EQ(wire.sent[0], 3u);
}

// Text with something in it for every rule below, cut, repeated and shuffled by a seed.
const char kStreamRules[] =
    "alert tcp any any -> any 80 (content:\"forbidden fruit\"; sid:1;)\n"
    "alert tcp any any -> any 80 (content:\"SeLeCt\"; nocase; content:\"from\"; distance:1; "
    "within:20; sid:2;)\n"
    "alert tcp any any -> any 80 (content:\"|00 01 02 ff|\"; sid:3;)\n"
    "alert tcp any any -> any 80 (content:\"never there\"; sid:4;)\n"
    "alert tcp any any -> any 80 (content:\"begin:\"; content:\":end\"; distance:500; sid:5;)\n";
std::vector<Frame> shuffled(const std::string& text, uint32_t isn, std::mt19937& random) {
  std::vector<Frame> frames;
  for (size_t at = 0; at < text.size();) {
    const size_t n = std::min<size_t>(1 + random() % 90, text.size() - at);
    const size_t back = std::min<size_t>(at, random() % 3 == 0 ? random() % 50 : 0);
    frames.push_back(
        piece(text.substr(at - back, n + back), isn + static_cast<uint32_t>(at - back)));
    if (random() % 5 == 0) frames.push_back(frames[random() % frames.size()]);
    at += n;
  }
  for (size_t i = 0; i + 1 < frames.size(); ++i) {
    std::swap(frames[i], frames[i + random() % std::min<size_t>(8, frames.size() - i)]);
  }
  return frames;
}
std::string text_for_all(std::mt19937& random) {
  std::string text;
  const std::string parts[] = {"forbidden fruit", "select * from", std::string("\0\1\2\xff", 4),
                               "begin:" + std::string(600, '.') + ":end"};
  for (const std::string& part : parts) {
    for (auto n = random() % 300; n > 0; --n) text += static_cast<char>('A' + random() % 26);
    text += part;
  }
  return text + "the rest";
}

// However a stream is cut and in whatever order it comes, the same rules hit.
TEST_F(WorkerTest, AnySegmentationHitsTheSameRules) {
  for (uint32_t seed = 0; seed < 25; ++seed) {
    std::mt19937 random(seed);
    const std::string text = text_for_all(random);
    std::set<uint32_t> hits[2];
    for (const bool whole : {true, false}) {
      start(Mode::kEnforce, kStreamRules);
      send(kSyn);
      std::vector<Frame> frames;
      if (whole) frames.push_back(piece(text, 2));
      if (!whole) frames = shuffled(text, 2, random);
      for (const Frame& f : frames) send(f);
      segment->event_ring(0).pop(10'000, [&](const uint8_t* bytes, uint32_t) {
        const auto& hit = *reinterpret_cast<const RuleHit*>(bytes);
        if (hit.header.type == RecordType::kRuleHit) hits[whole ? 0 : 1].insert(hit.sid);
      });
    }
    EXPECT_EQ(hits[0], (std::set<uint32_t>{1, 2, 3, 5}));
    EXPECT_EQ(hits[1], hits[0]) << "seed " << seed;
  }
}

// And what a rule drops no receiver delivers whole, whatever came through before.
TEST_F(WorkerTest, NoSegmentationBringsADroppedContentThrough) {
  for (uint32_t seed = 0; seed < 25; ++seed) {
    std::mt19937 random(seed);
    const std::string text = text_for_all(random);
    start(Mode::kEnforce, "drop tcp any any -> any 80 (content:\"forbidden fruit\"; sid:1;)\n");
    std::map<uint32_t, char> has;
    wire.watch = [&](const PacketView& p) {
      Headers h;
      decode_packet(p, LinkType::kEthernet, h);
      for (uint32_t i = 0; i < h.payload_bytes; ++i) {
        has[h.tcp_seq + i] = static_cast<char>(payload_of(p, h)[i]);
      }
    };
    send(kSyn);
    const std::vector<Frame> frames = shuffled(text, 2, random);
    for (const Frame& f : frames) send(f);
    std::string delivered;
    for (uint32_t at = 2; has.contains(at); ++at) delivered += has[at];
    EXPECT_EQ(delivered.find("forbidden fruit"), std::string::npos) << "seed " << seed;
    EXPECT_GT(dropped(Reason::kRuleDrop), 0u);
    wire.watch = nullptr;
  }
}

// What comes first counts, so no receiver can prefer what comes second.
TEST_F(WorkerTest, AContradictingSegmentIsRefused) {
  start(Mode::kEnforce, kDropEvil);
  const Frame good = piece("GET /e", 2), other = piece("OOPS", 4), more = piece("vil", 8);
  send(kSyn);
  send(good);
  send(other);
  EXPECT_EQ(dropped(Reason::kStreamConflict), 1u);
  send(good);
  EXPECT_EQ(wire.sent[0], 3u) << "the same again harms nobody";
  send(more);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 1u);
  worker->publish_stats();
  EXPECT_EQ(segment->worker(0).stats.stream_conflicts.get(), 1u);
}

// A reset that its receiver does not act on does not make room for a connection that is none.
TEST_F(WorkerTest, AResetOutOfPlaceChangesNothing) {
  start(Mode::kEnforce, kDropEvil);
  const auto from_client = [](uint8_t flags, const char* text, uint32_t seq) {
    return Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, flags, text, seq, 10);
  };
  send(kSyn);
  send(kSynAck, Side::kB);
  send(from_client(kTcpAck, "GET /e", 2));
  send(from_client(kTcpRst, "", 77'777));
  send(from_client(kTcpSyn, "", 500'000'000));
  send(from_client(kTcpAck, "vil", 8));
  EXPECT_EQ(dropped(Reason::kRuleDrop), 1u);
}

// What a conversation has not told yet comes with the reset that ends it, not with its timeout.
TEST_F(WorkerTest, AResetTellsWhatWaits) {
  start(Mode::kEnforce);
  const std::string get = "GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
  const auto end = 2 + static_cast<uint32_t>(get.size());
  const auto from_client = [](uint8_t flags, const std::string& text, uint32_t seq) {
    return Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, flags, text, seq, 10);
  };
  const auto evidence = [&] {
    const auto types = events();
    return std::count(types.begin(), types.end(), RecordType::kEvidence);
  };
  send(kSyn);
  send(kSynAck, Side::kB);
  send(from_client(kTcpAck | kTcpPsh, get, 2));
  send(from_client(kTcpRst | kTcpAck, "", end + 90'000));
  EXPECT_EQ(evidence(), 0) << "its receiver does not act on this one";
  send(from_client(kTcpRst | kTcpAck, "", end));
  EXPECT_EQ(evidence(), 1) << "a request without an answer";
}

// Past the memory for it the wire's policy counts.
TEST_F(WorkerTest, NoRoomForSegmentsFollowsTheWiresPolicy) {
  for (const FailPolicy policy : {FailPolicy::kOpen, FailPolicy::kClosed}) {
    settings.wire[0].fail[static_cast<unsigned>(FailCause::kStreamMemoryFull)] = policy;
    wire.sent[0] = 0;
    start(Mode::kEnforce, kDropEvil);
    send(kSyn);
    send(kSynAck, Side::kB);
    send(piece("too far", 2 + (256 << 10)));
    const bool closed = policy == FailPolicy::kClosed;
    EXPECT_EQ(dropped(Reason::kFailStreamMemoryFull), closed ? 1u : 0u);
    EXPECT_EQ(wire.sent[0], closed ? 1u : 2u);
  }
}

}  // namespace
}  // namespace weir
