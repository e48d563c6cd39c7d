// SPDX-License-Identifier: Apache-2.0
// What parsers cost over the conversations that fuzzing starts from, which are real ones: two
// benchmarks per parser in the table, so that a new one is measured by itself. `parse`: the flow is
// known to speak it; `find`: all probes are asked first. Time is of one round of its
// conversations; per_message and per_byte are CPU time.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/parse/parse.h"
#include "dataplane/parse/parsers.h"

namespace weir {
namespace {

struct Piece {
  uint8_t direction;
  std::vector<uint8_t> bytes;
};

// As tests/fuzz/fuzz_parse.cc reads them.
struct Conversation {
  bool udp = false;
  uint16_t port = 0;
  std::vector<Piece> pieces;
};

Conversation conversation_of(const std::vector<uint8_t>& seed) {
  Conversation c{.udp = (seed[0] & 1) != 0, .port = load_be16(&seed[1])};
  for (size_t at = 3; at + 2 <= seed.size();) {
    const uint16_t head = load_be16(&seed[at]);
    at += 2;
    const size_t n = std::min<size_t>(head & 0x7fffu, seed.size() - at);
    const auto from = seed.begin() + static_cast<long>(at);
    if (n != 0) {
      c.pieces.push_back({static_cast<uint8_t>(head >> 15), {from, from + static_cast<long>(n)}});
    }
    at += n;
  }
  return c;
}

std::vector<Conversation> conversations_of(std::string_view kind) {
  std::vector<std::filesystem::path> files;
  const std::string folder = WEIR_PARSE_SEEDS + std::string(kind);
  std::error_code none;
  for (const auto& f : std::filesystem::directory_iterator(folder, none)) files.push_back(f.path());
  std::sort(files.begin(), files.end());
  std::vector<Conversation> all;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    const std::vector<uint8_t> seed((std::istreambuf_iterator<char>(in)), {});
    if (seed.size() >= 3) all.push_back(conversation_of(seed));
  }
  return all;
}

// One flow at a time through the stage.
class Stage final : public EvidenceSink {
 public:
  Stage() : parsers_({.flows_max = 16, .buffers = 16}, *this) {}
  void run(const Conversation& c, uint8_t known) {
    FlowKey key;
    key.proto = c.udp ? kProtoUdp : kProtoTcp;
    key.hi.bytes[0] = 1;
    key.lo_port = 40000;
    key.hi_port = c.port;
    const uint32_t index = flows_.insert(key, flows_.hash(key));
    Flow& f = flows_.flow(index);
    f.flags |= kWantsParse | kInitiatorIsLo;
    f.protocol = known;
    uint64_t at[2] = {};
    for (const Piece& p : c.pieces) {
      if ((f.flags & kWantsParse) == 0) break;
      const Tracked t{.flow = &f, .index = index, .direction = p.direction};
      if (c.udp) {
        Headers h;
        h.payload_bytes = static_cast<uint16_t>(p.bytes.size());
        const PacketView view{.data = p.bytes.data(),
                              .bytes = static_cast<uint32_t>(p.bytes.size())};
        parsers_.datagram(view, h, t, flows_);
      } else {
        parsers_.stream({.bytes = p.bytes, .at = at[p.direction]}, 0, t, flows_);
      }
      at[p.direction] += p.bytes.size();
      ++messages;
      bytes += p.bytes.size();
    }
    parsers_.finish(f, 0);
    flows_.erase(index);
  }
  void evidence(const Evidence& e) noexcept override {
    ++events;
    benchmark::DoNotOptimize(e.facts.data());
  }
  uint64_t messages = 0, bytes = 0, events = 0;

 private:
  FlowTable flows_{FlowSettings{.flows_max = 16}, 0, 1};
  ProtocolParsers parsers_;
};

void measure(benchmark::State& state, EvidenceKind kind, bool is_known) {
  const std::vector<Conversation> all = conversations_of(evidence_name(kind));
  if (all.empty()) return state.SkipWithError("it has no conversation in tests/fuzz/corpus");
  const auto known = static_cast<uint8_t>(is_known ? static_cast<unsigned>(kind) + 1 : 0);
  Stage stage;
  for (auto _ : state) {
    for (const Conversation& c : all) stage.run(c, known);
  }
  const auto rounds = static_cast<double>(state.iterations());
  const auto per = [&](const char* name, double n) {
    state.counters[name] =
        benchmark::Counter(n, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  };
  per("per_message", static_cast<double>(stage.messages));
  per("per_byte", static_cast<double>(stage.bytes));
  state.counters["messages"] = static_cast<double>(stage.messages) / rounds;
  state.counters["bytes"] = static_cast<double>(stage.bytes) / rounds;
  state.counters["events"] = static_cast<double>(stage.events) / rounds;
}

void register_all() {
  std::set<EvidenceKind> kinds;
  for (const parse::Parser& p : parse::all_parsers()) kinds.insert(p.kind);
  for (const bool is_known : {true, false}) {
    for (const EvidenceKind kind : kinds) {
      const std::string name =
          std::string(is_known ? "parse/" : "find/") + std::string(evidence_name(kind));
      benchmark::RegisterBenchmark(
          name.c_str(), [=](benchmark::State& state) { measure(state, kind, is_known); });
    }
  }
}

}  // namespace
}  // namespace weir

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  weir::register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
