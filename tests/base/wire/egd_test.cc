#include "base/wire/egd.h"

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd::egd {

void PrintTo(const Command& command, std::ostream* out) {
  *out << "{" << int{static_cast<uint8_t>(command.type)} << " bytes " << int{command.bytes}
       << " claimed " << command.claimed_bits << "}";
}

namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using Bytes = std::vector<uint8_t>;

struct Decoded {
  std::vector<Command> commands;
  bool unknown = false;
};

// Feeds one piece, as a reader of a socket would.
void Feed(Decoder* decoder, absl::Span<const uint8_t> piece, Decoded* decoded) {
  while (!decoded->unknown) {
    Command command;
    switch (decoder->Next(&piece, &command)) {
      case DecodeResult::kCommand:
        decoded->commands.push_back(command);
        break;
      case DecodeResult::kNeedMore:
        EXPECT_TRUE(piece.empty());
        return;
      case DecodeResult::kUnknown:
        decoded->unknown = true;
        break;
    }
  }
}

Decoded DecodeWhole(const Bytes& bytes) {
  Decoder decoder;
  Decoded decoded;
  Feed(&decoder, bytes, &decoded);
  return decoded;
}

Bytes WriteCommand(uint16_t claimed, uint8_t count, uint8_t fill) {
  Bytes bytes = {0x03, static_cast<uint8_t>(claimed >> 8), static_cast<uint8_t>(claimed), count};
  bytes.insert(bytes.end(), count, fill);
  return bytes;
}

// Every command once, the write with data that looks like commands.
Bytes EveryCommand() {
  Bytes bytes = {0x00, 0x01, 0x00, 0x01, 0xff, 0x02, 0x40, 0x02, 0x00};
  const Bytes write = WriteCommand(0x1234, 7, 0x02);
  bytes.insert(bytes.end(), write.begin(), write.end());
  bytes.push_back(0x04);
  return bytes;
}

const std::vector<Command>& EveryCommandDecoded() {
  static const auto* commands = new std::vector<Command>{{CommandType::kGetEntropyBits, 0, 0},
                                                         {CommandType::kReadNonBlocking, 0, 0},
                                                         {CommandType::kReadNonBlocking, 255, 0},
                                                         {CommandType::kReadBlocking, 0x40, 0},
                                                         {CommandType::kReadBlocking, 0, 0},
                                                         {CommandType::kWrite, 7, 0x1234},
                                                         {CommandType::kGetPid, 0, 0}};
  return *commands;
}

TEST(EgdDecoderTest, DecodesEveryCommand) {
  const Decoded decoded = DecodeWhole(EveryCommand());
  EXPECT_FALSE(decoded.unknown);
  EXPECT_THAT(decoded.commands, ElementsAreArray(EveryCommandDecoded()));
}

TEST(EgdDecoderTest, EverySplitInThreeGivesTheSameCommands) {
  const Bytes bytes = EveryCommand();
  const absl::Span<const uint8_t> all(bytes);
  for (size_t i = 0; i <= bytes.size(); ++i) {
    for (size_t j = i; j <= bytes.size(); ++j) {
      Decoder decoder;
      Decoded decoded;
      Feed(&decoder, all.subspan(0, i), &decoded);
      Feed(&decoder, all.subspan(i, j - i), &decoded);
      Feed(&decoder, all.subspan(j), &decoded);
      ASSERT_THAT(decoded.commands, ElementsAreArray(EveryCommandDecoded())) << i << " " << j;
      ASSERT_FALSE(decoder.mid_command()) << i << " " << j;
    }
  }
}

TEST(EgdDecoderTest, SaveAndRestoreAtEveryByteLoseNothing) {
  Decoder decoder;
  Decoded decoded;
  for (const uint8_t byte : EveryCommand()) {
    Feed(&decoder, {&byte, 1}, &decoded);
    decoder = Decoder::Restore(decoder.Save());
  }
  EXPECT_THAT(decoded.commands, ElementsAreArray(EveryCommandDecoded()));
  EXPECT_FALSE(decoder.mid_command());
}

TEST(EgdDecoderTest, SavedStateNamesTheHalfCommandAndNothingElse) {
  Decoder decoder;
  Decoded decoded;
  Feed(&decoder, Bytes{0x03, 0xaa, 0xbb, 0x09, 0x11, 0x02}, &decoded);
  Decoder::State state = decoder.Save();
  EXPECT_EQ(state.have, 0);
  EXPECT_EQ(state.skip, 7);
  EXPECT_THAT(state.header, ElementsAre(0, 0, 0, 0));  // the old header is not carried along

  Feed(&decoder, Bytes{1, 1, 1, 1, 1, 1, 1, 0x03, 0xcc}, &decoded);
  state = decoder.Save();
  EXPECT_EQ(state.have, 2);
  EXPECT_EQ(state.skip, 0);
  EXPECT_THAT(state.header, ElementsAre(0x03, 0xcc, 0, 0));
}

TEST(EgdDecoderTest, ImpossibleStateRestoresAsFreshDecoder) {
  Decoder::State full_header{{0x02, 0x40, 0, 0}, 2, 0};
  Decoder::State unknown_command{{0x77, 0, 0, 0}, 1, 0};
  Decoder::State beyond_the_array{{0x03, 0, 0, 0}, 200, 0};
  Decoder::State both{{0x02, 0, 0, 0}, 1, 3};
  for (const Decoder::State& state : {full_header, unknown_command, beyond_the_array, both}) {
    Decoder decoder = Decoder::Restore(state);
    EXPECT_FALSE(decoder.mid_command());
    Decoded decoded;
    Feed(&decoder, Bytes{0x02, 0x10}, &decoded);
    EXPECT_THAT(decoded.commands, ElementsAre(Command{CommandType::kReadBlocking, 0x10, 0}));
  }
}

TEST(EgdDecoderTest, TenThousandPipelinedCommandsComeInOrder) {
  Bytes bytes;
  std::vector<Command> expected;
  for (int i = 0; i < 10'000; ++i) {
    const auto count = static_cast<uint8_t>(i);
    const auto type = static_cast<CommandType>(i % 5);
    switch (type) {
      case CommandType::kGetEntropyBits:
      case CommandType::kGetPid:
        bytes.push_back(static_cast<uint8_t>(type));
        expected.push_back({type, 0, 0});
        break;
      case CommandType::kReadNonBlocking:
      case CommandType::kReadBlocking:
        bytes.insert(bytes.end(), {static_cast<uint8_t>(type), count});
        expected.push_back({type, count, 0});
        break;
      case CommandType::kWrite: {
        const Bytes write = WriteCommand(static_cast<uint16_t>(i), count, 0xee);
        bytes.insert(bytes.end(), write.begin(), write.end());
        expected.push_back({type, count, static_cast<uint16_t>(i)});
        break;
      }
    }
  }
  const Decoded whole = DecodeWhole(bytes);
  EXPECT_FALSE(whole.unknown);
  EXPECT_TRUE(whole.commands == expected);

  // And through a read buffer whose size does not match the sizes of the commands.
  Decoder decoder;
  Decoded pieces;
  for (size_t i = 0; i < bytes.size(); i += 61) {
    Feed(&decoder, absl::MakeConstSpan(bytes).subspan(i, 61), &pieces);
  }
  EXPECT_TRUE(pieces.commands == expected);
}

TEST(EgdDecoderTest, WrittenDataIsSkippedAcrossCalls) {
  Decoder decoder;
  Decoded decoded;
  Feed(&decoder, Bytes{0x03, 0x07, 0xf8, 0xff}, &decoded);
  EXPECT_THAT(decoded.commands, ElementsAre(Command{CommandType::kWrite, 255, 2040}));
  for (int i = 0; i < 255; ++i) {
    EXPECT_TRUE(decoder.mid_command());
    Feed(&decoder, Bytes{0x99}, &decoded);  // no command has this byte: the decoder must skip it
  }
  EXPECT_FALSE(decoder.mid_command());
  EXPECT_FALSE(decoded.unknown);
  Feed(&decoder, Bytes{0x04}, &decoded);
  EXPECT_EQ(decoded.commands.size(), 2u);
  EXPECT_EQ(decoded.commands.back().type, CommandType::kGetPid);
}

TEST(EgdDecoderTest, WriteIsReportedBeforeItsData) {
  Decoder decoder;
  const Bytes bytes = WriteCommand(8, 3, 0x00);
  absl::Span<const uint8_t> input(bytes);
  Command command;
  ASSERT_EQ(decoder.Next(&input, &command), DecodeResult::kCommand);
  EXPECT_EQ(input.size(), 3u);
  EXPECT_TRUE(decoder.mid_command());
  EXPECT_EQ(decoder.Next(&input, &command), DecodeResult::kNeedMore);
  EXPECT_FALSE(decoder.mid_command());
}

TEST(EgdDecoderTest, WriteOfNothingLeavesNothingToSkip) {
  const Decoded decoded = DecodeWhole({0x03, 0, 0, 0, 0x00});
  ASSERT_EQ(decoded.commands.size(), 2u);
  EXPECT_EQ(decoded.commands[1].type, CommandType::kGetEntropyBits);
}

TEST(EgdDecoderTest, EveryUnknownByteIsLeftAtTheFront) {
  for (int byte = 5; byte <= 255; ++byte) {
    Decoder decoder;
    const Bytes bytes = {0x00, static_cast<uint8_t>(byte), 0x00};
    absl::Span<const uint8_t> input(bytes);
    Command command;
    ASSERT_EQ(decoder.Next(&input, &command), DecodeResult::kCommand);
    for (int i = 0; i < 2; ++i) {  // and it stays that way
      ASSERT_EQ(decoder.Next(&input, &command), DecodeResult::kUnknown);
      ASSERT_EQ(input.size(), 2u);
      ASSERT_EQ(input.front(), byte);
    }
    EXPECT_FALSE(decoder.mid_command());
  }
}

TEST(EgdDecoderTest, HalfCommandIsToldFromNone) {
  Decoder decoder;
  Decoded decoded;
  EXPECT_FALSE(decoder.mid_command());
  Feed(&decoder, Bytes{0x02}, &decoded);
  EXPECT_TRUE(decoder.mid_command());
  Feed(&decoder, Bytes{0x02}, &decoded);
  EXPECT_FALSE(decoder.mid_command());
  Feed(&decoder, {}, &decoded);
  EXPECT_THAT(decoded.commands, ElementsAre(Command{CommandType::kReadBlocking, 2, 0}));
}

TEST(EgdReplyTest, EntropyBitsAreBigEndianAndSaturate) {
  uint8_t out[4];
  EncodeEntropyBits(0, out);
  EXPECT_THAT(out, ElementsAre(0, 0, 0, 0));
  EncodeEntropyBits(0x01020304, out);
  EXPECT_THAT(out, ElementsAre(1, 2, 3, 4));
  EncodeEntropyBits(0xffffffffULL, out);
  EXPECT_THAT(out, ElementsAre(255, 255, 255, 255));
  EncodeEntropyBits(0x1'0000'0000ULL, out);
  EXPECT_THAT(out, ElementsAre(255, 255, 255, 255));
}

TEST(EgdReplyTest, PidIsCountedDecimalText) {
  EXPECT_EQ(EncodePid(7), std::string("\x01"
                                      "7"));
  EXPECT_EQ(EncodePid(4194304), std::string("\x07"
                                            "4194304"));
}

}  // namespace
}  // namespace entropyd::egd
