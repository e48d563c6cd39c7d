// SPDX-License-Identifier: Apache-2.0
#include "control/publish/rule_handover.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <string_view>

namespace weir {

namespace {

constexpr std::string_view kPrefix = "rules-", kSuffix = ".img";

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<Error> system_failure(const std::string& path, const char* what) {
  const int code = errno;
  return fail(Error{.message = std::string(what) + ": " + std::strerror(code), .file = path});
}

bool write_all(int fd, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return true;
}

// Complete and on disk before it has its name.
Result<void> write_file(const std::string& dir, const std::string& path,
                        std::span<const uint8_t> bytes) {
  const std::string unfinished = path + ".tmp";
  {
    const Descriptor file(
        ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    if (file.get() < 0) return system_failure(unfinished, "cannot be created");
    if (!write_all(file.get(), bytes) || ::fsync(file.get()) != 0) {
      auto failure = system_failure(unfinished, "cannot be written");
      ::unlink(unfinished.c_str());
      return failure;
    }
  }
  if (::rename(unfinished.c_str(), path.c_str()) != 0) {
    auto failure = system_failure(path, "cannot be put in place");
    ::unlink(unfinished.c_str());
    return failure;
  }
  const Descriptor folder(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());
  return {};
}

}  // namespace

RuleHandover::RuleHandover(Segment& segment, std::string runtime_dir)
    : segment_(segment), runtime_dir_(std::move(runtime_dir)) {}

RuleHandover::RuleHandover(Segment& segment, Loader loader)
    : segment_(segment), loader_(std::move(loader)) {}

std::string RuleHandover::path_of(uint64_t generation) const {
  return runtime_dir_ + "/" + std::string(kPrefix) + std::to_string(generation) +
         std::string(kSuffix);
}

uint64_t RuleHandover::next_generation() const noexcept {
  const RuleSlot& slot = segment_.header().rules;
  return 1 + std::max({slot.requested_generation.load(std::memory_order_relaxed),
                       slot.answered_generation.load(std::memory_order_relaxed),
                       slot.loaded_generation.load(std::memory_order_relaxed)});
}

Result<void> RuleHandover::offer(uint64_t generation, std::span<const uint8_t> image,
                                 const Settings& settings) {
  RuleSlot& slot = segment_.header().rules;
  if (loader_) {
    slot.requested_generation.store(generation, std::memory_order_relaxed);
    answer_ = RuleAnswer{generation, loader_(generation, image)};
    return {};
  }
  if (auto written = write_file(runtime_dir_, path_of(generation), image); !written) return written;
  segment_.header().wanted = settings;
  // release pairs with the data plane's acquire: the file and the settings are whole.
  slot.requested_generation.store(generation, std::memory_order_release);
  offered_ = generation;
  return {};
}

std::optional<RuleAnswer> RuleHandover::poll() {
  if (answer_) return std::exchange(answer_, std::nullopt);
  if (offered_ == 0) return std::nullopt;
  const RuleSlot& slot = segment_.header().rules;
  // acquire pairs with the data plane's release: the answer's text is whole.
  if (slot.answered_generation.load(std::memory_order_acquire) < offered_) return std::nullopt;
  RuleAnswer answer{.generation = offered_};
  const char* end = std::find(slot.answer, slot.answer + sizeof slot.answer, '\0');
  answer.refusal.assign(slot.answer, end);
  offered_ = 0;
  if (!answer.refusal.empty()) withdraw();
  remove_old();
  return answer;
}

bool RuleHandover::waits_in_vain() const noexcept {
  const Presence& there = segment_.header().dataplane;
  return waiting() && there.state.load(std::memory_order_acquire) != ProgramState::kRunning;
}

void RuleHandover::withdraw() noexcept {
  RuleSlot& slot = segment_.header().rules;
  const uint64_t loaded = slot.loaded_generation.load(std::memory_order_acquire);
  segment_.header().wanted = segment_.header().settings;
  if (loaded != 0) slot.requested_generation.store(loaded, std::memory_order_release);
}

void RuleHandover::remove_old() {
  if (loader_) return;
  const RuleSlot& slot = segment_.header().rules;
  const uint64_t loaded = slot.loaded_generation.load(std::memory_order_acquire);
  const uint64_t requested = slot.requested_generation.load(std::memory_order_relaxed);
  if (loaded == 0) return;  // nobody has said what is in use
  std::error_code ignored;
  std::filesystem::directory_iterator files(runtime_dir_, ignored), none;
  if (ignored) return;
  std::vector<std::filesystem::path> old;
  for (; files != none; files.increment(ignored)) {
    const std::string name = files->path().filename().string();
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    const char* first = name.data() + kPrefix.size();
    const char* last = name.data() + name.size() - kSuffix.size();
    uint64_t generation = 0;
    const auto [end, code] = std::from_chars(first, last, generation);
    if (code != std::errc{} || end != last) continue;
    if (generation != loaded && generation != requested) old.push_back(files->path());
    if (ignored) break;
  }
  for (const auto& path : old) std::filesystem::remove(path, ignored);
}

}  // namespace weir
