// SPDX-License-Identifier: Apache-2.0
// Setting up one port: as many queues as workers where its RSS does what pair_hash in decode.h
// does, one receive queue else. Nothing is taken on trust: key and functions are read back.
#include <rte_ethdev.h>
#include <rte_log.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "dataplane/io/dpdk_lane.h"
#include "dataplane/io/dpdk_names.h"

namespace weir {

namespace {

constexpr uint16_t kDescriptors = 1024;
constexpr unsigned kKeyBytesMax = 64;
// Over the addresses alone: with ports in the hash, later fragments and ICMP errors would land
// elsewhere than their flow.
constexpr uint64_t kPairRss = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6;
// The same for fragments, where the driver tells them apart.
constexpr uint64_t kMorePairRss = RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_FRAG_IPV6;

struct SymmetricKey {
  uint8_t byte[kKeyBytesMax];
};

SymmetricKey symmetric_key() {
  SymmetricKey key;
  for (unsigned i = 0; i < kKeyBytesMax; ++i) key.byte[i] = i % 2 == 0 ? 0x6d : 0x5a;
  return key;
}

bool can_spread(const rte_eth_dev_info& info, uint16_t workers) {
  return (info.flow_type_rss_offloads & kPairRss) == kPairRss && info.hash_key_size >= 40 &&
         info.hash_key_size <= kKeyBytesMax && info.reta_size >= kOwnerBuckets &&
         info.reta_size % kOwnerBuckets == 0 && info.reta_size <= RTE_ETH_RSS_RETA_SIZE_512 &&
         info.max_rx_queues >= workers && info.max_tx_queues >= workers;
}

// Bucket b of the port's table -> queue of the worker that owner_of() says.
bool program_table(uint16_t port, uint16_t reta_size, uint16_t workers) {
  rte_eth_rss_reta_entry64 table[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE] = {};
  for (uint16_t b = 0; b < reta_size; ++b) {
    auto& group = table[b / RTE_ETH_RETA_GROUP_SIZE];
    group.mask = UINT64_MAX;
    group.reta[b % RTE_ETH_RETA_GROUP_SIZE] = static_cast<uint16_t>(owner_of(b, workers));
  }
  return rte_eth_dev_rss_reta_update(port, table, reta_size) == 0;
}

// Whether the driver took the key and hashes what was asked for, and nothing with ports in it.
bool hashes_as_asked(uint16_t port, const rte_eth_dev_info& info) {
  uint8_t key[kKeyBytesMax] = {};
  rte_eth_rss_conf conf{};
  conf.rss_key = key;
  conf.rss_key_len = info.hash_key_size;
  if (rte_eth_dev_rss_hash_conf_get(port, &conf) != 0) return false;
  const SymmetricKey wanted = symmetric_key();
  return std::memcmp(key, wanted.byte, info.hash_key_size) == 0 &&
         (conf.rss_hf & kPairRss) == kPairRss && (conf.rss_hf & ~(kPairRss | kMorePairRss)) == 0;
}

// The kernel gives a queue back some moments after the program that had it has ended: a successor
// may come too early.
constexpr int kBusyTries = 20;
constexpr auto kBusyNap = std::chrono::milliseconds(10);

Result<void> wrong(const std::string& what, int code) {
  return fail(what + ": " + rte_strerror(-code));
}

Result<void> configure(DpdkPort& port, const rte_eth_dev_info& info, bool rss) {
  rte_eth_conf conf{};
  SymmetricKey key = symmetric_key();
  if (rss) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_key = key.byte;
    conf.rx_adv_conf.rss_conf.rss_key_len = info.hash_key_size;
    conf.rx_adv_conf.rss_conf.rss_hf = (kPairRss | kMorePairRss) & info.flow_type_rss_offloads;
  }
  const int code = rte_eth_dev_configure(port.id, port.rx_queues, port.tx_queues, &conf);
  return code == 0 ? Result<void>{} : wrong("cannot be configured", code);
}

Result<void> set_up_queues(const DpdkPort& port, rte_mempool* pool) {
  uint16_t rx = kDescriptors, tx = kDescriptors;  // the driver's limits rule
  rte_eth_dev_adjust_nb_rx_tx_desc(port.id, &rx, &tx);
  const auto node = static_cast<unsigned>(port.node < 0 ? SOCKET_ID_ANY : port.node);
  for (uint16_t q = 0; q < port.rx_queues; ++q) {
    int c = rte_eth_rx_queue_setup(port.id, q, rx, node, nullptr, pool);
    const uint32_t level = rte_log_get_global_level();
    if (c != 0) rte_log_set_global_level(RTE_LOG_EMERG);  // the driver has said what it has to say
    for (int tries = 0; c != 0 && is_kernel_port(port.kind) && tries < kBusyTries; ++tries) {
      std::this_thread::sleep_for(kBusyNap);
      c = rte_eth_rx_queue_setup(port.id, q, rx, node, nullptr, pool);
    }
    rte_log_set_global_level(level);
    if (c != 0) return wrong("has no receive queue for us (in use by another program?)", c);
  }
  for (uint16_t q = 0; q < port.tx_queues; ++q) {
    if (const int c = rte_eth_tx_queue_setup(port.id, q, tx, node, nullptr); c != 0) {
      return wrong("has no send queue for us", c);
    }
  }
  return {};
}

}  // namespace

Result<void> start_port(DpdkPort& port, bool want_rss, uint16_t workers, rte_mempool* pool) {
  rte_eth_dev_info info{};
  if (const int code = rte_eth_dev_info_get(port.id, &info); code != 0) {
    return wrong("does not describe itself", code);
  }
  bool rss = want_rss && workers > 1 && can_spread(info, workers);
  port.tx_queues = info.max_tx_queues >= workers ? workers : 1;
  for (;;) {
    port.rx_queues = rss ? workers : 1;
    auto done = configure(port, info, rss);
    if (done) done = set_up_queues(port, pool);
    if (done) {
      const int code = rte_eth_dev_start(port.id);
      if (code != 0) done = wrong("does not start", code);
    }
    if (done) {
      port.is_started = true;
      if (!rss ||
          (program_table(port.id, info.reta_size, workers) && hashes_as_asked(port.id, info))) {
        return {};
      }
      rte_eth_dev_stop(port.id);
      port.is_started = false;
    } else if (!rss) {
      return done;
    }
    rss = false;  // it promised more than it does
  }
}

}  // namespace weir
