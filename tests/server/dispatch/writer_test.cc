#include "server/dispatch/writer.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/fakes.h"

// ThreadSanitizer brings an operator new of its own, and no other can be linked beside it.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ENTROPYD_NEW_IS_TAKEN
#endif
#endif

#ifndef ENTROPYD_NEW_IS_TAKEN
namespace {

// A byte of a MessageBuffer that a test looks at when its memory is freed, and whether all of the
// memory was zero then, but for the first bytes, in which the buffer keeps its capacity.
std::atomic<const uint8_t*> watched{nullptr};
std::atomic<bool> was_freed{false};
std::atomic<bool> was_zero{false};

void LookAndFree(void* memory) {
  const uint8_t* const byte = watched;
  auto* const begin = static_cast<const uint8_t*>(memory);
  if (byte != nullptr && begin <= byte && byte < begin + malloc_usable_size(memory)) {
    watched = nullptr;
    size_t capacity = 0;
    memcpy(&capacity, begin, sizeof capacity);
    was_zero = std::all_of(begin + sizeof capacity, begin + sizeof capacity + capacity,
                           [](uint8_t b) { return b == 0; });
    was_freed = true;
  }
  std::free(memory);
}

}  // namespace

// In place of the C++ library's, for the whole test binary.
void* operator new(size_t bytes) {
  void* const memory = std::malloc(std::max<size_t>(bytes, 1));
  if (memory == nullptr) abort();
  return memory;
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return std::malloc(std::max<size_t>(bytes, 1));
}
void operator delete(void* memory) noexcept { LookAndFree(memory); }
void operator delete(void* memory, size_t) noexcept { LookAndFree(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { LookAndFree(memory); }
#endif

namespace entropyd {
namespace {

using ::testing::SizeIs;

class WriterTest : public testing::Test {
 protected:
  // Bytes of a pool, as it counts them.
  static std::string Counted(uint64_t first, size_t bytes) {
    std::string text;
    for (size_t i = 0; i < bytes; ++i) text.push_back(static_cast<char>(first + i));
    return text;
  }
  static std::string DataOf(const GrantView& grant) {
    std::string text;
    for (const absl::Span<const uint8_t> piece : grant.pieces) {
      text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    }
    return text;
  }
  static Writer::Part Part(int pool, uint32_t channel, size_t bytes) {
    Writer::Part part;
    part.pool = pool;
    part.grant.channel = channel;
    part.grant.offset = 1000 * channel;
    part.grant.bytes = bytes;
    return part;
  }
  std::unique_ptr<Received> Build(std::vector<Writer::Part>* parts) {
    v1::ServerMessage head;
    head.set_seq(42);
    return std::make_unique<Received>(writer_.Build(head, absl::MakeSpan(*parts)));
  }

  FakePool first_{"first"};
  FakePool second_{"second"};
  Writer writer_;
  const int one_ = writer_.AddPool(&first_);
  const int two_ = writer_.AddPool(&second_);
};

TEST_F(WriterTest, AMessageIsWhatProtobufWouldWrite) {
  std::vector<Writer::Part> parts = {Part(one_, 3, 100), Part(one_, 4, 50), Part(two_, 5, 20)};
  second_.given = 200;
  const auto message = Build(&parts);
  v1::ServerMessage parsed;
  ASSERT_TRUE(
      parsed.ParseFromArray(message->buffer.data(), static_cast<int>(message->buffer.size())));
  EXPECT_EQ(parsed.seq(), 42u);
  ASSERT_EQ(parsed.grant_size(), 3);
  EXPECT_EQ(parsed.grant(0).channel(), 3u);
  EXPECT_EQ(parsed.grant(0).offset(), 3000u);
  EXPECT_EQ(parsed.grant(0).seed_generation(), 7u);
  EXPECT_EQ(
      parsed.SerializeAsString(),
      std::string(reinterpret_cast<const char*>(message->buffer.data()), message->buffer.size()));
}

TEST_F(WriterTest, EachGrantHasTheBytesOfItsOwnPoolInOrder) {
  std::vector<Writer::Part> parts = {Part(one_, 1, 100), Part(one_, 2, 300), Part(two_, 3, 70),
                                     Part(two_, 4, 1)};
  first_.given = 10;
  second_.given = 200;
  const auto message = Build(&parts);
  ASSERT_THAT(message->view.grants, SizeIs(4));
  EXPECT_EQ(DataOf(message->view.grants[0]), Counted(10, 100));
  EXPECT_EQ(DataOf(message->view.grants[1]), Counted(110, 300));
  EXPECT_EQ(DataOf(message->view.grants[2]), Counted(200, 70));
  EXPECT_EQ(DataOf(message->view.grants[3]), Counted(270, 1));
  EXPECT_EQ(first_.reads, 1) << "parts of one pool are read at once";
  EXPECT_EQ(second_.reads, 1);
}

TEST_F(WriterTest, WhatAPoolRefusesIsLeftOutAndTheOthersMoveUp) {
  for (const bool former : {true, false}) {
    FakePool& refuses = former ? first_ : second_;
    FakePool& gives = former ? second_ : first_;
    refuses.next_error = absl::UnavailableError("no seed");
    gives.given = 50;
    std::vector<Writer::Part> parts = {Part(one_, 1, 100), Part(one_, 2, 30), Part(two_, 3, 70),
                                       Part(two_, 4, 10)};
    const auto message = Build(&parts);
    const size_t begin = former ? 2 : 0;
    ASSERT_THAT(message->view.grants, SizeIs(2));
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(parts[i].status.ok(), i == begin || i == begin + 1) << parts[i].status;
    }
    const size_t bytes = former ? 70 : 100;
    EXPECT_EQ(message->view.grants[0].channel, begin + 1);
    EXPECT_EQ(DataOf(message->view.grants[0]), Counted(50, bytes));
    EXPECT_EQ(DataOf(message->view.grants[1]), Counted(50 + bytes, former ? 10 : 30));
  }
}

TEST_F(WriterTest, WhatWasPlannedBeforeAFailureIsNotRead) {
  std::vector<Writer::Part> parts = {Part(one_, 1, 10), Part(two_, 2, 10)};
  ++first_.state.discard_epoch;
  const auto message = Build(&parts);
  ASSERT_THAT(message->view.grants, SizeIs(1));
  EXPECT_EQ(message->view.grants[0].channel, 2u);
  EXPECT_TRUE(absl::IsAborted(parts[0].status)) << parts[0].status;
}

TEST_F(WriterTest, AReplyIsFilledPieceByPiece) {
  constexpr size_t kBytes = 200;  // its length takes two bytes
  first_.given = 5;
  MessageBuffer reply = Writer::NewReply(kBytes);
  EXPECT_EQ(writer_.FillReply(one_, 0, &reply, 0, 60).value(), 7u);
  EXPECT_TRUE(writer_.FillReply(one_, 0, &reply, 60, kBytes - 60).ok());
  Writer::CloseReply(&reply, kBytes, v1::QUALITY_FULL, 9, 1234);
  v1::GetResponse response;
  ASSERT_TRUE(response.ParseFromArray(reply.data(), static_cast<int>(reply.size())));
  EXPECT_EQ(response.data(), Counted(5, kBytes));
  EXPECT_EQ(response.quality(), v1::QUALITY_FULL);
  EXPECT_EQ(response.seed_generation(), 9u);
  EXPECT_EQ(response.seed_age_ms(), 1234u);
  EXPECT_TRUE(absl::IsAborted(writer_.FillReply(one_, 1, &reply, 0, 1).status()));
}

TEST_F(WriterTest, AnIndexThatIsFreeIsGivenToTheNextPool) {
  FakePool third{"third"};
  writer_.RemovePool(one_);
  EXPECT_EQ(writer_.AddPool(&third), one_);
  third.given = 100;
  std::vector<Writer::Part> parts = {Part(one_, 1, 10)};
  EXPECT_EQ(DataOf(Build(&parts)->view.grants.at(0)), Counted(100, 10));
  EXPECT_EQ(first_.reads, 0);
}

#ifndef ENTROPYD_NEW_IS_TAKEN
TEST_F(WriterTest, AMessageIsWipedBeforeItsMemoryIsFreed) {
  std::vector<Writer::Part> parts = {Part(one_, 1, 100), Part(two_, 2, 300)};
  const auto expect_wiped_by = [&](const char* what, auto end) {
    auto message = std::make_unique<MessageBuffer>(writer_.Build({}, absl::MakeSpan(parts)));
    ASSERT_GT(message->size(), 400u);
    was_freed = was_zero = false;
    watched = message->data() + message->size() / 2;
    end(&message);
    EXPECT_TRUE(was_freed) << what;
    EXPECT_TRUE(was_zero) << what;
    watched = nullptr;
  };
  using Message = std::unique_ptr<MessageBuffer>;
  expect_wiped_by("the transport", [](Message* m) { MessageBuffer::Destroy((*m)->Release()); });
  expect_wiped_by("its end", [](Message* m) { m->reset(); });
  expect_wiped_by("another one", [](Message* m) { **m = Writer::NewReply(1); });
}
#endif

}  // namespace
}  // namespace entropyd
