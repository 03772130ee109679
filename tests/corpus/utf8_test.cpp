#include "corpus/utf8.h"

#include <gtest/gtest.h>

#include "corpus/text_error.h"

namespace trellis {
namespace {

// Offset of the first bad byte, -1 if there is none.
int first_fault(std::string_view text) {
  try {
    check_utf8(text);
  } catch (const TextError& error) {
    return static_cast<int>(error.offset());
  }
  return -1;
}

TEST(CheckUtf8, FindsTheFirstBadByteAtEveryPlace) {
  for (std::size_t before = 0; before < 20; ++before)
    for (std::size_t behind = 0; behind < 20; ++behind) {
      const std::string head(before, 'a'), tail(behind, 'b');
      for (const char* good : {"", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBB\xBF"})
        ASSERT_EQ(first_fault(head + good + tail), -1) << before << " " << good << " " << behind;
      for (const char* bad : {"\xFF", "\x80", "\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"})
        ASSERT_EQ(first_fault(head + bad + tail), static_cast<int>(before)) << before << " " << behind;
    }
}

TEST(CheckUtf8, SaysWhichByte) {
  try {
    check_utf8("ab\xFE");
    FAIL() << "no error";
  } catch (const TextError& error) {
    EXPECT_EQ(error.fact(), "invalid UTF-8: byte 0xfe");
    EXPECT_EQ(error.where(), "byte 2");
    EXPECT_EQ(error.code(), ExitCode::bad_data);
  }
}

}  // namespace
}  // namespace trellis
