// SPDX-License-Identifier: Apache-2.0
#include "dataplane/contract/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "dataplane/base/check.h"
#include "dataplane/contract/evidence.h"

namespace weir {

namespace {

// The shared layout, pinned. A change here is a new kSegmentVersion.
static_assert(sizeof(Settings) == 10160 && sizeof(SegmentHeader) == 22208);
static_assert(sizeof(RuleSlot) == 320);
static_assert(sizeof(AppNames) == 16384 && sizeof(WireStats) == 704 && sizeof(StatsPage) == 11712);
static_assert(sizeof(WorkerShare) == 9'285'312);

constexpr uint64_t kWorkersOffset = (sizeof(SegmentHeader) + sizeof(AppNames) + 4095) / 4096 * 4096;

constexpr uint64_t segment_bytes(uint32_t workers) {
  return kWorkersOffset + uint64_t{workers} * sizeof(WorkerShare);
}

// Two builds whose structs differ must not meet: any changed size changes this.
constexpr uint32_t layout_of_this_build() {
  const uint64_t sizes[] = {sizeof(SegmentHeader),  sizeof(AppNames),
                            sizeof(WorkerShare),    sizeof(StatsPage),
                            sizeof(WireStats),      sizeof(Settings),
                            sizeof(VerdictCommand), sizeof(VerdictMatch),
                            sizeof(FlowReport),     sizeof(FlowStart),
                            sizeof(RuleHit),        sizeof(Drop),
                            sizeof(VerdictReport),  kReasonCount,
                            sizeof(EvidenceRecord), kFacts,
                            kEvidenceKinds,         static_cast<uint64_t>(Anomaly::kCount)};
  uint32_t fold = 2166136261u;  // FNV-1a
  for (const uint64_t s : sizes) fold = (fold ^ static_cast<uint32_t>(s)) * 16777619u;
  return fold;
}

std::string system_text(int code) {
  return std::strerror(code);
}

void fill(void* memory, uint64_t bytes, const Settings& settings, TimeNs clock_offset_ns) {
  auto* header = new (memory) SegmentHeader;
  header->layout = layout_of_this_build();
  header->total_bytes = bytes;
  header->clock_offset_ns = static_cast<uint64_t>(clock_offset_ns);
  header->settings = header->wanted = settings;
  for (uint32_t i = 0; i < settings.workers; ++i) {
    auto* at = static_cast<uint8_t*>(memory) + kWorkersOffset + i * sizeof(WorkerShare);
    auto* share = reinterpret_cast<WorkerShare*>(at);  // zero pages: only what is not zero at start
    new (&share->stats) StatsPage;
    new (&share->ring) RingIndexes;
  }
}

}  // namespace

Segment::Segment(void* memory, uint64_t bytes) noexcept
    : header_(static_cast<SegmentHeader*>(memory)), bytes_(bytes) {}

Segment::Segment(Segment&& other) noexcept
    : header_(std::exchange(other.header_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Segment& Segment::operator=(Segment&& other) noexcept {
  if (this != &other) {
    release();
    header_ = std::exchange(other.header_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

Segment::~Segment() {
  release();
}

void Segment::release() noexcept {
  if (header_ != nullptr) munmap(header_, bytes_);
  header_ = nullptr;
}

Result<Segment> Segment::create(const std::string& path, const Settings& settings,
                                TimeNs clock_offset_ns) {
  CHECK(settings.workers >= 1 && settings.workers <= kWorkersMax);
  const uint64_t bytes = segment_bytes(settings.workers);
  unlink(path.c_str());  // whoever still maps the old one keeps it to themselves
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
  if (fd < 0) return fail("cannot create the shared segment " + path + ": " + system_text(errno));
  // posix_fallocate, not ftruncate: a full file system is an error here, not a SIGBUS later.
  if (const int code = posix_fallocate(fd, 0, static_cast<off_t>(bytes)); code != 0) {
    close(fd);
    unlink(path.c_str());
    return fail("cannot give the shared segment " + path + " its " + std::to_string(bytes >> 20) +
                " MiB: " + system_text(code));
  }
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  const int code = errno;
  close(fd);
  if (memory == MAP_FAILED) {
    return fail("cannot map the shared segment " + path + ": " + system_text(code));
  }
  fill(memory, bytes, settings, clock_offset_ns);
  return Segment(memory, bytes);
}

Result<Segment> Segment::attach(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return fail("cannot open the shared segment " + path + ": " + system_text(errno));
  struct stat info {};
  if (fstat(fd, &info) != 0 || info.st_size < static_cast<off_t>(sizeof(SegmentHeader))) {
    close(fd);
    return fail(path + " is too short to be a shared segment of Weir");
  }
  const auto bytes = static_cast<uint64_t>(info.st_size);
  // Its pages are there from the start: a worker that writes an event is not to take a page fault.
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  const int code = errno;
  close(fd);
  if (memory == MAP_FAILED) {
    return fail("cannot map the shared segment " + path + ": " + system_text(code));
  }
  Segment segment(memory, bytes);
  const SegmentHeader& h = segment.header();
  if (h.magic != kSegmentMagic) return fail(path + " is not a shared segment of Weir");
  if (h.version != kSegmentVersion || h.layout != layout_of_this_build()) {
    return fail(path + " belongs to another version of Weir (segment version " +
                std::to_string(h.version) + ", this program knows " +
                std::to_string(kSegmentVersion) + "): stop all of it, then start one version");
  }
  if (h.settings.workers < 1 || h.settings.workers > kWorkersMax || h.settings.wires > kWiresMax ||
      h.total_bytes != bytes || bytes != segment_bytes(h.settings.workers)) {
    return fail(path + " is damaged: its length does not fit what it says of itself");
  }
  return segment;
}

Segment Segment::in_memory(const Settings& settings, TimeNs clock_offset_ns) {
  CHECK(settings.workers >= 1 && settings.workers <= kWorkersMax);
  const uint64_t bytes = segment_bytes(settings.workers);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  CHECK(memory != MAP_FAILED);
  fill(memory, bytes, settings, clock_offset_ns);
  return Segment(memory, bytes);
}

AppNames& Segment::app_names() noexcept {
  return *reinterpret_cast<AppNames*>(reinterpret_cast<uint8_t*>(header_) + sizeof(SegmentHeader));
}

WorkerShare& Segment::worker(uint32_t i) noexcept {
  return *reinterpret_cast<WorkerShare*>(reinterpret_cast<uint8_t*>(header_) + kWorkersOffset +
                                         i * sizeof(WorkerShare));
}

const WorkerShare& Segment::worker(uint32_t i) const noexcept {
  return const_cast<Segment*>(this)->worker(i);
}

SpscByteRing Segment::event_ring(uint32_t i) noexcept {
  WorkerShare& share = worker(i);
  return SpscByteRing(&share.ring, share.ring_bytes, kEventRingBytes);
}

PacketClock Segment::clock() const noexcept {
  return PacketClock(static_cast<TimeNs>(header_->clock_offset_ns));
}

uint64_t Segment::sum(Counter StatsPage::*counter) const noexcept {
  uint64_t total = 0;
  for (uint32_t i = 0; i < workers(); ++i) total += (worker(i).stats.*counter).get();
  return total;
}

}  // namespace weir
