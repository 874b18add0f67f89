// Two copies of one machine's buffer and guard. Their kernels give what the test says.
#include "hostagent/serving/guarded_buffer.h"

#include <memory>
#include <utility>
#include <vector>

#include "base/crypto/secret_bytes.h"
#include "base/process/nanos.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fake_log.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/serving/fake_machine.h"

namespace entropyd {
namespace {

class GuardedBufferTest : public testing::Test {
 protected:
  struct Copy {
    FakeMachine machine;
    std::unique_ptr<LocalFallback> buffer;
    std::unique_ptr<CloneGuard> guard;
    std::unique_ptr<GuardedBuffer> out;
  };

  std::unique_ptr<Copy> Make(size_t bytes, uint8_t kernel) {
    auto copy = std::make_unique<Copy>();
    copy->machine.kernel = kernel;
    copy->guard = copy->machine.Guard();
    auto inner =
        ClassBuffer::Create({"default/gold", 64 * 1024, 60 * kSecondNanos}, arena_.get(), &clock_);
    copy->buffer =
        LocalFallback::Create(*std::move(inner), {}, arena_.get(), &clock_, &log_).value();
    copy->out = std::make_unique<GuardedBuffer>(copy->buffer.get(), &clock_, &log_);
    copy->out->SetGuard(copy->guard.get());
    copy->guard->EndTurn();
    copy->buffer->Append(StreamBytes(0, bytes));
    return copy;
  }
  static std::vector<uint8_t> Take(Copy* copy, size_t bytes) {
    std::vector<uint8_t> out(bytes);
    copy->out->DropIfResumed();
    out.resize(copy->out->Take(absl::MakeSpan(out)));
    copy->guard->EndTurn();
    return out;
  }

  ManualClock clock_{kSecondNanos};
  FakeLog log_{&clock_};
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(1 << 20, SecretArena::Locking::kBestEffort).value();
};

TEST_F(GuardedBufferTest, TwoCopiesHandOutDifferentBytes) {
  auto one = Make(1'000, /*kernel=*/1), other = Make(1'000, /*kernel=*/2);
  const std::vector<uint8_t> bytes = Take(one.get(), 64);
  ASSERT_EQ(bytes.size(), 64u);
  EXPECT_NE(bytes, Take(other.get(), 64));
  // They would not without the kernel's part.
  auto same = Make(1'000, /*kernel=*/1);
  EXPECT_EQ(bytes, Take(same.get(), 64));
}

TEST_F(GuardedBufferTest, OneTurnAfterAnotherHasAKeyOfItsOwn) {
  auto one = Make(1'000, 1), other = Make(1'000, 1);
  Take(one.get(), 64);
  Take(other.get(), 64);
  other->machine.kernel = 2;
  EXPECT_NE(Take(one.get(), 64), Take(other.get(), 64));
}

TEST_F(GuardedBufferTest, AResumeDropsWhatIsGivenOnce) {
  auto copy = Make(1'000, 1);
  copy->buffer->SetFullEntropy(true);
  copy->machine.boot += kSecondNanos;
  EXPECT_TRUE(Take(copy.get(), 64).empty());
  EXPECT_EQ(copy->buffer->level(), 0u);
  EXPECT_EQ(copy->buffer->discarded_bytes(), 1'000u);
  EXPECT_THAT(log_.lines(),
              testing::Contains(testing::HasSubstr("the time since boot has jumped by 1000 ms")));
  // What comes afterwards is nobody else's.
  copy->buffer->Append(StreamBytes(1'000, 64));
  EXPECT_EQ(Take(copy.get(), 64).size(), 64u);
}

TEST_F(GuardedBufferTest, AResumeBeforeAPoolBecameFullIsNoNewsOfIt) {
  auto copy = Make(1'000, 1);
  copy->machine.boot += kSecondNanos;
  EXPECT_EQ(copy->guard->resumes(), 1u);
  copy->guard->EndTurn();
  copy->out->DropIfResumed();
  copy->buffer->SetFullEntropy(true);
  EXPECT_EQ(Take(copy.get(), 64).size(), 64u);
}

TEST_F(GuardedBufferTest, AResumeLeavesBytesOfADrbgThere) {
  auto copy = Make(1'000, 1);
  copy->machine.boot += kSecondNanos;
  EXPECT_EQ(Take(copy.get(), 64).size(), 64u);
  EXPECT_EQ(copy->buffer->discarded_bytes(), 0u);
}

TEST_F(GuardedBufferTest, NothingLeavesWithoutTheKernelsPart) {
  auto copy = Make(1'000, 1);
  copy->machine.kernel_gives = false;
  EXPECT_TRUE(Take(copy.get(), 64).empty());
  EXPECT_EQ(copy->buffer->level(), 0u);
  EXPECT_THAT(log_.lines(), testing::Contains(testing::HasSubstr("class.not_mixed")));
  copy->machine.kernel_gives = true;
  copy->buffer->Append(StreamBytes(0, 64));
  EXPECT_EQ(Take(copy.get(), 64).size(), 64u);
}

TEST_F(GuardedBufferTest, WithoutAGuardBytesLeaveAsTheyCame) {
  auto copy = Make(64, 1);
  copy->out->SetGuard(nullptr);
  copy->machine.boot += kSecondNanos;
  EXPECT_FALSE(copy->out->DropIfResumed());
  EXPECT_EQ(Take(copy.get(), 64), StreamBytes(0, 64));
}

TEST_F(GuardedBufferTest, AResumeIsToldOnce) {
  auto copy = Make(1'000, 1);
  copy->buffer->SetFullEntropy(true);
  EXPECT_FALSE(copy->out->DropIfResumed());
  copy->guard->EndTurn();
  copy->machine.boot += kSecondNanos;
  EXPECT_TRUE(copy->out->DropIfResumed());
  EXPECT_FALSE(copy->out->DropIfResumed());
}

}  // namespace
}  // namespace entropyd
