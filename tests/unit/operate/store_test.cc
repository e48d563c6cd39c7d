// SPDX-License-Identifier: Apache-2.0
// What the store gives back, after an end, after a kill, and from a file that is not its own.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "control/operate/kept_records.h"
#include "control/operate/store.h"
#include "tests/unit/operate/folder.h"

namespace weir::operate {
namespace {

std::unique_ptr<Store> opened(const std::string& path) {
  std::string set_aside;
  auto store = Store::open(path, set_aside);
  EXPECT_TRUE(store) << store.error().text();
  EXPECT_EQ(set_aside, "");
  return store ? std::move(*store) : nullptr;
}

std::vector<std::string> all(Store& store,
                             void (Store::*each)(uint64_t,
                                                 const std::function<void(std::string_view)>&),
                             uint64_t most = 100) {
  std::vector<std::string> out;
  (store.*each)(most, [&](std::string_view text) { out.emplace_back(text); });
  return out;
}

TEST(Store, KeepsOverARestart) {
  const Folder folder;
  {
    auto store = opened(folder / "weir.db");
    store->put_device("10.0.0.2", 20, "late");
    store->put_device("10.0.0.1", 10, "early");
    for (uint64_t id = 1; id <= 3; ++id) store->put_alert(id, "alert " + std::to_string(id));
    store->put_alert(2, "alert 2, grown");
    store->put_action(7, "action");
    store->put_baseline(1, std::vector<uint8_t>{4, 5});
    store->put_baseline(0, std::vector<uint8_t>{1, 2, 3});
    store->put_number("epoch", 41);
    EXPECT_TRUE(store->commit());
  }
  auto store = opened(folder / "weir.db");
  using Texts = std::vector<std::string>;
  EXPECT_EQ(all(*store, &Store::each_device), (Texts{"early", "late"}));
  EXPECT_EQ(all(*store, &Store::each_device, 1), (Texts{"late"}));
  EXPECT_EQ(all(*store, &Store::each_alert), (Texts{"alert 3", "alert 2, grown", "alert 1"}));
  EXPECT_EQ(all(*store, &Store::each_alert, 2).size(), 2u);
  EXPECT_EQ(all(*store, &Store::each_action), (Texts{"action"}));
  EXPECT_EQ(store->last_alert(), 3u);
  EXPECT_EQ(store->alerts(), 3u);
  EXPECT_EQ(store->last_action(), 7u);
  EXPECT_EQ(store->number("epoch"), 41);
  EXPECT_EQ(store->number("never put"), 0);
  EXPECT_EQ(store->alert(2), "alert 2, grown");
  EXPECT_EQ(store->alert(4), std::nullopt);
  std::vector<size_t> parts;
  store->each_baseline([&](std::span<const uint8_t> part) { parts.push_back(part.size()); });
  EXPECT_EQ(parts, (std::vector<size_t>{3, 2}));
}

TEST(Store, WhatWasCommittedOutlivesAKill) {
  const Folder folder;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::string set_aside;
    auto store = Store::open(folder / "weir.db", set_aside);
    for (uint64_t id = 1; store && id <= 50; ++id) (*store)->put_action(id, "kept");
    const bool kept = store && (*store)->commit();
    (*store)->put_action(51, "never confirmed");
    if (kept && write(ready[1], "x", 1) == 1) pause();
    _exit(1);
  }
  char c = 0;
  close(ready[1]);
  ASSERT_EQ(read(ready[0], &c, 1), 1);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  auto store = opened(folder / "weir.db");
  EXPECT_EQ(store->last_action(), 50u);
  EXPECT_EQ(all(*store, &Store::each_action).size(), 50u);
}

void expect_set_aside(const Folder& folder, const std::string& content) {
  const std::string path = folder / "weir.db";
  std::string set_aside;
  auto store = Store::open(path, set_aside);
  ASSERT_TRUE(store) << store.error().text();
  EXPECT_NE(set_aside.find("kept as " + path + ".unusable-"), std::string::npos) << set_aside;
  (*store)->put_alert(1, "new life");
  EXPECT_TRUE((*store)->commit());
  const size_t at = set_aside.find(path + ".unusable-");
  const std::string aside = set_aside.substr(at, set_aside.find(' ', at) - at);
  std::ifstream in(aside, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), content);
}

TEST(Store, SetsAsideWhatIsNotItsOwn) {
  const Folder folder;
  const std::string text(5000, 'x');
  std::ofstream(folder / "weir.db") << text;
  expect_set_aside(folder, text);
}

TEST(Store, SetsAsideWhatIsDamaged) {
  const Folder folder;
  const std::string path = folder / "weir.db";
  {
    auto store = opened(path);
    for (uint64_t id = 1; id <= 500; ++id) store->put_alert(id, std::string(500, 'a'));
    store->commit();
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096 * 3);
  file << std::string(4096 * 2, '\xff');
  file.close();
  std::ifstream in(path, std::ios::binary);
  const std::string damaged(std::istreambuf_iterator<char>(in), {});
  in.close();
  expect_set_aside(folder, damaged);
}

TEST(Store, LeavesANewerOneAlone) {
  const Folder folder;
  const std::string path = folder / "weir.db";
  opened(path).reset();
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(60);  // user_version, big-endian (SQLite's file format, section 1.3)
  file.write("\0\0\0\x63", 4);
  file.close();
  std::string set_aside;
  const auto store = Store::open(path, set_aside);
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().text().find("newer version"), std::string::npos);
}

TEST(Store, CannotBeWhereThereIsNoFolder) {
  const Folder folder;
  std::string set_aside;
  EXPECT_FALSE(Store::open(folder / "nowhere/weir.db", set_aside));
}

TEST(KeptRecords, ComeBackAsTheyWere) {
  Device d;
  d.address = *parse_ip_address("fe80::1");
  d.mac = {2, 0, 0, 0, 0, 9};
  d.mac_claimed = true;
  d.roles = kRoleResolver;
  d.first_seen_ns = 1'700'000'000'123'456'789;
  d.last_seen_ns = d.first_seen_ns + 5;
  d.bytes_out = UINT64_MAX;
  d.ports_served = {{6, 22}, {17, 53}};
  d.peer_hashes = {1, 0xffffffff};
  d.peer_registers = {0, 255};
  const auto back = kept_device(kept_text(d));
  ASSERT_TRUE(back);
  EXPECT_EQ(kept_text(*back), kept_text(d));
  EXPECT_EQ(back->address, d.address);
  EXPECT_EQ(back->bytes_out, d.bytes_out);
  EXPECT_EQ(back->ports_served, d.ports_served);

  ActionRecord a;
  a.id = 9;
  a.verdict = 0x100000003;
  a.match.src = *parse_ip_prefix("10.0.0.9");
  a.match.dst = *parse_ip_prefix("10.0.0.0/24");
  a.match.either = true;
  a.action = Action::kRateLimit;
  a.limit.bits_per_second = 1'000'000;
  a.limit.per = RateLimit::Per::kFlow;
  a.state = ActionState::kUndone;
  a.reason = "\xff not UTF-8 \"";
  a.expires_ns = 42;
  a.companions.push_back({0x100000004, a.match, Action::kPass});
  const auto action = kept_action(kept_text(a));
  ASSERT_TRUE(action);
  EXPECT_EQ(kept_text(*action), kept_text(a));
  EXPECT_EQ(action->match, a.match);
  EXPECT_EQ(action->state, ActionState::kUndone);
  EXPECT_EQ(action->companions.size(), 1u);
}

TEST(KeptRecords, OddTextIsNoRecord) {
  Device d;
  d.address = *parse_ip_address("10.0.0.1");
  const std::string good = kept_text(d);
  for (size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(kept_device(good.substr(0, n)));
  EXPECT_FALSE(kept_device("[]"));
  EXPECT_FALSE(kept_action(good));
  std::string state = kept_text(ActionRecord{});
  state.replace(state.find("\"state\":0"), 9, "\"state\":9");
  EXPECT_FALSE(kept_action(state));
}

}  // namespace
}  // namespace weir::operate
