// SPDX-License-Identifier: Apache-2.0
#include "dataplane/classify/classify.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <ndpi/ndpi_api.h>

namespace weir {

namespace {
size_t flow_struct_bytes() noexcept {
  return (ndpi_detection_get_sizeof_ndpi_flow_struct() + 63) / 64 * 64;
}
struct ModuleRelease {
  void operator()(ndpi_detection_module_struct* m) const noexcept { ndpi_exit_detection_module(m); }
};
}  // namespace

struct Classifier::State {
  std::unique_ptr<ndpi_detection_module_struct, ModuleRelease> module;
  size_t flow_bytes = 0;
  std::unique_ptr<uint8_t[]> pool;  // classify_flows_max structures of flow_bytes each
  std::vector<uint32_t> free;       // sized once
  ndpi_flow_struct* flow(uint32_t slot) noexcept {
    return reinterpret_cast<ndpi_flow_struct*>(pool.get() + slot * flow_bytes);
  }
};

Classifier::Classifier(const InspectSettings& settings)
    : settings_(settings), state_(std::make_unique<State>()) {}

Result<std::unique_ptr<Classifier>> Classifier::create(const InspectSettings& settings) {
  std::unique_ptr<Classifier> c(new Classifier(settings));
  State& s = *c->state_;
  s.module.reset(ndpi_init_detection_module(ndpi_no_prefs));
  if (s.module == nullptr) return fail("nDPI could not be initialised (out of memory?)");
  NDPI_PROTOCOL_BITMASK all;
  NDPI_BITMASK_SET_ALL(all);
  ndpi_set_protocol_detection_bitmask2(s.module.get(), &all);
  ndpi_finalize_initialization(s.module.get());
  s.flow_bytes = flow_struct_bytes();
  s.pool = std::make_unique<uint8_t[]>(s.flow_bytes * settings.classify_flows_max);
  s.free.reserve(settings.classify_flows_max);
  for (uint32_t i = settings.classify_flows_max; i != 0; --i) s.free.push_back(i - 1);
  return c;
}

uint64_t Classifier::bytes_for(const InspectSettings& settings) noexcept {
  return settings.classify_flows_max * flow_struct_bytes();
}

Classifier::~Classifier() {
  // What flows still hold inside nDPI's structures is its own heap; give it back before the module.
  std::vector<bool> is_free(settings_.classify_flows_max, false);
  for (const uint32_t slot : state_->free) is_free[slot] = true;
  for (uint32_t slot = 0; slot < settings_.classify_flows_max; ++slot) {
    if (!is_free[slot]) ndpi_free_flow_data(state_->flow(slot));
  }
}

void Classifier::write_names(AppNames& names) const {
  std::memset(&names, 0, sizeof names);
  ndpi_detection_module_struct* module = state_->module.get();
  const auto known = std::min<uint32_t>(kAppNamesMax, ndpi_get_num_supported_protocols(module));
  for (uint32_t id = 0; id < known; ++id) {
    const char* name = ndpi_get_proto_name(module, static_cast<uint16_t>(id));
    if (name == nullptr) continue;
    std::strncpy(names.name[id], name, sizeof names.name[id] - 1);
  }
}

uint32_t Classifier::take_slot() {
  if (state_->free.empty()) return kNoSlot;
  const uint32_t slot = state_->free.back();
  state_->free.pop_back();
  std::memset(state_->flow(slot), 0, state_->flow_bytes);
  ++stats_.active;
  return slot;
}

void Classifier::release_slot(uint32_t slot) {
  ndpi_free_flow_data(state_->flow(slot));
  state_->free.push_back(slot);
  --stats_.active;
}

void Classifier::conclude(Flow& f) {
  ndpi_flow_struct* state = state_->flow(f.classify_slot);
  if (f.app == 0 && f.app_master == 0) {
    uint8_t guessed = 0;
    const ndpi_protocol p = ndpi_detection_giveup(state_->module.get(), state, 1, &guessed);
    f.app_master = p.master_protocol;
    f.app = p.app_protocol;
    if (guessed != 0) f.flags |= kAppGuessed;
  }
  release_slot(f.classify_slot);
  f.classify_slot = kNoSlot;
  f.flags &= ~kWantsClassify;
}

bool Classifier::inspect(const PacketView& packet, const Headers& h, Flow& f, FlowCold& c) {
  if (f.classify_slot == kNoSlot) {
    f.classify_slot = take_slot();
    if (f.classify_slot == kNoSlot) {
      ++stats_.refused_full;
      f.flags &= ~kWantsClassify;
      return false;
    }
  }
  ++stats_.packets;
  ++c.classified_packets;
  ndpi_flow_struct* state = state_->flow(f.classify_slot);
  const ndpi_protocol p =
      ndpi_detection_process_packet(state_->module.get(), state, packet.data + h.l3_offset,
                                    h.l3_bytes, static_cast<uint64_t>(packet.time_ns / kNsPerMs));
  const bool was_known = (f.flags & kClassifiedOnce) != 0;
  f.app_master = p.master_protocol;
  f.app = p.app_protocol;
  const bool known = p.app_protocol != NDPI_PROTOCOL_UNKNOWN;
  const uint32_t allowance =
      h.proto == kProtoUdp ? settings_.classify_udp_packets : settings_.classify_tcp_packets;
  const bool enough = c.classified_packets >= allowance;
  if (enough || (known && ndpi_extra_dissection_possible(state_->module.get(), state) == 0)) {
    conclude(f);
  }
  if (f.app == 0 && f.app_master == 0) return false;
  f.flags |= kClassifiedOnce;
  return !was_known;
}

void Classifier::classify(std::span<const PacketView> packets, std::span<const Headers> headers,
                          std::span<const Tracked> tracked, std::span<const bool> stopped,
                          FlowTable& table, CycleBudget& budget, std::span<bool> became_known,
                          Rows rows) {
  for (const size_t i : each(rows & first_rows(packets.size()))) {
    became_known[i] = false;
    Flow* f = tracked[i].flow;
    if (f == nullptr || (f->flags & kWantsClassify) == 0 || stopped[i]) continue;
    if (is_bare_syn(headers[i])) continue;  // a flood of them is to take no flow's place
    if (budget.is_spent()) continue;
    became_known[i] = inspect(packets[i], headers[i], *f, table.cold(tracked[i].index));
  }
}

void Classifier::finish(Flow& f) {
  if (f.classify_slot != kNoSlot) conclude(f);
}

}  // namespace weir
