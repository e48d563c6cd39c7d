// SPDX-License-Identifier: Apache-2.0
// eve.json as a file: buffered, rotated, reopened, and unharmed by a disk that takes nothing.
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "control/operate/log_file.h"
#include "tests/unit/operate/folder.h"

namespace weir::operate {
namespace {

std::string content(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(LogFile, WritesInTimeAndAtTheEnd) {
  const Folder folder;
  const std::string path = folder / "eve.json";
  {
    auto log = LogFile::open(path, 0);
    ASSERT_TRUE(log);
    log->flush_due(1000 * kNsPerMs);
    log->append("one\n");
    log->flush_due(1100 * kNsPerMs);
    EXPECT_EQ(content(path), "");
    log->flush_due(1000 * kNsPerMs + LogFile::kFlushEvery);
    EXPECT_EQ(content(path), "one\n");
    log->append("two\n");
  }
  EXPECT_EQ(content(path), "one\ntwo\n");
  auto again = LogFile::open(path, 0);
  again->append("three\n");
  again->flush();
  EXPECT_EQ(content(path), "one\ntwo\nthree\n");
  EXPECT_EQ(again->lines_written(), 1u);
}

TEST(LogFile, SetsAFullOneAsideAndFollowsAMovedOne) {
  const Folder folder;
  const std::string path = folder / "eve.json";
  auto log = LogFile::open(path, 20);
  for (int i = 0; i < 3; ++i) {
    log->append("0123456789\n");
    log->flush();
  }
  EXPECT_EQ(content(path + ".1"), "0123456789\n0123456789\n");
  EXPECT_EQ(content(path), "0123456789\n");
  std::filesystem::rename(path, folder / "moved");
  log->append("to the moved one\n");
  log->reopen();
  log->append("new\n");
  log->flush();
  EXPECT_EQ(content(folder / "moved"), "0123456789\nto the moved one\n");
  EXPECT_EQ(content(path), "new\n");
}

TEST(LogFile, ADiskThatIsFullCostsWholeLinesAndIsToldOnce) {
  const Folder folder;
  const std::string path = folder / "eve.json";
  auto log = LogFile::open(path, 0);
  log->append("kept\n");
  log->flush();
  // A limit on the file's size fails a write in its middle, as a full disk does.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit tight{10, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  log->append("lost, all of it\n");
  log->append("lost, too\n");
  log->flush();
  log->append("and this\n");
  log->flush();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(content(path), "kept\n");
  EXPECT_EQ(log->lines_lost(), 3u);
  EXPECT_NE(log->take_trouble().find("cannot write " + path), std::string::npos);
  EXPECT_EQ(log->take_trouble(), "");
  log->append("again\n");
  log->flush();
  EXPECT_EQ(content(path), "kept\nagain\n");
  EXPECT_EQ(log->lines_written(), 2u);
}

}  // namespace
}  // namespace weir::operate
