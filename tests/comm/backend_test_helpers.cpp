#include "tests/comm/backend_test_helpers.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace trellis::testing_support {

at::Tensor sample(std::int64_t size, at::ScalarType dtype, int rank) {
  const at::Tensor period = at::remainder(at::arange(11, at::kLong) * 7 + 3 * rank, 11);
  const at::Tensor values = dtype == at::kBool ? period.gt(5) : period.to(dtype);
  return values.repeat({size / 11 + 1}).narrow(0, 0, size).contiguous();
}

at::Tensor random_floats(std::int64_t size, int rank, at::ScalarType dtype) {
  // numbers of many magnitudes, so that another order of summation would show
  const at::Tensor i = at::arange(size, at::kDouble) + 1000003.0 * (rank + 1);
  return (at::sin(i * 12.9898) * at::exp(8 * at::cos(i * 78.233))).to(dtype);
}

namespace {

at::Tensor stacked_samples(std::int64_t size, at::ScalarType dtype, int ranks) {
  std::vector<at::Tensor> all;
  for (int r = 0; r < ranks; ++r) all.push_back(sample(size, dtype, r));
  return at::stack(all);
}

at::Tensor reduced(const at::Tensor& stacked, Reduction reduction) {
  const at::ScalarType dtype = stacked.scalar_type();
  switch (reduction) {
    case Reduction::sum: return stacked.sum(0).to(dtype);
    case Reduction::max: return stacked.amax(0);
    case Reduction::min: return stacked.amin(0);
  }
  return {};
}

}  // namespace

void check_all_reduce(const ProcessGroup& group, std::int64_t size, at::ScalarType dtype) {
  for (const Reduction reduction : {Reduction::sum, Reduction::max, Reduction::min}) {
    SCOPED_TRACE(::testing::Message() << c10::toString(dtype) << " x " << size << ", reduction " << static_cast<int>(reduction));
    const at::Tensor expected = reduced(stacked_samples(size, dtype, group.size()), reduction);
    const at::Tensor blocking = sample(size, dtype, group.rank()), pending = blocking.clone();
    group.all_reduce(blocking, reduction);
    EXPECT_TRUE(at::equal(blocking, expected));
    group.start_all_reduce(pending, reduction).wait();
    EXPECT_TRUE(at::equal(pending, expected));
  }
}

void check_bool_all_reduce(const ProcessGroup& group, std::int64_t size) {
  const at::Tensor all = stacked_samples(size, at::kBool, group.size());
  const at::Tensor any = sample(size, at::kBool, group.rank()), every = any.clone();
  group.all_reduce(any, Reduction::max);
  group.all_reduce(every, Reduction::min);
  EXPECT_TRUE(at::equal(any, all.any(0)));
  EXPECT_TRUE(at::equal(every, all.all(0)));
}

void check_reduce_scatter(const ProcessGroup& group, std::int64_t size, at::ScalarType dtype) {
  SCOPED_TRACE(::testing::Message() << c10::toString(dtype) << " x " << size);
  const int n = group.size();
  for (const Reduction reduction : {Reduction::sum, Reduction::max, Reduction::min}) {
    const at::Tensor expected = reduced(stacked_samples(size * n, dtype, n), reduction).narrow(0, size * group.rank(), size);
    const at::Tensor input = sample(size * n, dtype, group.rank()), output = at::zeros({size}, dtype);
    group.reduce_scatter(output, input, reduction);
    EXPECT_TRUE(at::equal(output, expected));
    EXPECT_TRUE(at::equal(input, sample(size * n, dtype, group.rank()))) << "the input was changed";
    output.zero_();
    group.start_reduce_scatter(output, input, reduction).wait();
    EXPECT_TRUE(at::equal(output, expected));
  }
}

void check_broadcast(const ProcessGroup& group, std::int64_t size, at::ScalarType dtype) {
  SCOPED_TRACE(::testing::Message() << c10::toString(dtype) << " x " << size);
  for (int root = 0; root < group.size(); ++root) {
    const at::Tensor tensor = sample(size, dtype, group.rank()), pending = tensor.clone();
    group.broadcast(tensor, root);
    EXPECT_TRUE(at::equal(tensor, sample(size, dtype, root)));
    group.start_broadcast(pending, root).wait();
    EXPECT_TRUE(at::equal(pending, sample(size, dtype, root)));
  }
}

void check_all_gather(const ProcessGroup& group, std::int64_t size, at::ScalarType dtype) {
  SCOPED_TRACE(::testing::Message() << c10::toString(dtype) << " x " << size);
  const at::Tensor expected = stacked_samples(size, dtype, group.size());
  const at::Tensor output = at::zeros({group.size(), size}, dtype), input = sample(size, dtype, group.rank());
  group.all_gather(output, input);
  EXPECT_TRUE(at::equal(output, expected));
  output.zero_();
  group.start_all_gather(output, input).wait();
  EXPECT_TRUE(at::equal(output, expected));
}

void check_all_to_all(const ProcessGroup& group, std::int64_t width, at::ScalarType dtype) {
  const int rank = group.rank(), n = group.size();
  for (const int shift : {0, 1}) {
    SCOPED_TRACE(::testing::Message() << c10::toString(dtype) << " x " << width << ", shift " << shift);
    const auto rows = [&](int from, int to) { return std::int64_t{(2 * from + 3 * to + shift) % 4}; };
    const auto sent = [&](int from, int to) { return sample(rows(from, to) * width, dtype, 10 * from + to).reshape({rows(from, to), width}); };
    std::vector<std::int64_t> send_rows, receive_rows;
    std::vector<at::Tensor> to_all, from_all;
    for (int r = 0; r < n; ++r) {
      send_rows.push_back(rows(rank, r));
      receive_rows.push_back(rows(r, rank));
      to_all.push_back(sent(rank, r));
      from_all.push_back(sent(r, rank));
    }
    const at::Tensor input = at::cat(to_all), expected = at::cat(from_all), output = at::zeros_like(expected);
    group.all_to_all(output, input, receive_rows, send_rows);
    EXPECT_TRUE(at::equal(output, expected));
    EXPECT_TRUE(at::equal(input, at::cat(to_all))) << "the input was changed";
    output.zero_();
    group.start_all_to_all(output, input, receive_rows, send_rows).wait();
    EXPECT_TRUE(at::equal(output, expected));
  }
}

void check_empty_all_to_all(const ProcessGroup& group) {
  const int rank = group.rank(), n = group.size();
  const std::vector<std::int64_t> none(n, 0);
  const at::Tensor empty = at::zeros({0, 3});
  group.all_to_all(at::zeros({0, 3}), empty, none, none);
  std::vector<std::int64_t> send_rows = none, receive_rows = none;
  if (rank == n - 1) send_rows[0] = 2;
  if (rank == 0) receive_rows[n - 1] = 2;
  const at::Tensor input = rank == n - 1 ? at::ones({2, 3}) : empty, output = at::zeros({rank == 0 ? 2 : 0, 3});
  group.start_all_to_all(output, input, receive_rows, send_rows).wait();
  EXPECT_EQ(output.sum().item<float>(), rank == 0 ? 6 : 0);
}

void check_ring_messages(const ProcessGroup& group, std::int64_t size, at::ScalarType dtype) {
  SCOPED_TRACE(::testing::Message() << c10::toString(dtype) << " x " << size);
  const int rank = group.rank(), n = group.size();
  for (const int step : {1, n - 1}) {
    if (n == 1 && step == 0) continue;
    const int to = (rank + step) % n, from = (rank + n - step) % n;
    const at::Tensor first = sample(size, dtype, rank), second = sample(size, dtype, rank + 100);
    const at::Tensor got_first = at::zeros({size}, dtype), got_second = at::zeros({size}, dtype);
    Pending sent_first = group.start_send(first, to, 1), sent_second = group.start_send(second, to, 2);
    Pending second_pending = group.start_receive(got_second, from, 2), first_pending = group.start_receive(got_first, from, 1);
    second_pending.wait();
    first_pending.wait();
    sent_first.wait();
    sent_second.wait();
    EXPECT_TRUE(at::equal(got_first, sample(size, dtype, from)));
    EXPECT_TRUE(at::equal(got_second, sample(size, dtype, from + 100)));
  }
}

void check_concurrent_operations(const ProcessGroup& group, std::int64_t size) {
  const int rank = group.rank(), n = group.size();
  const at::Tensor sum = sample(size, at::kDouble, rank), gathered = at::zeros({n, size}), part = sample(size, at::kFloat, rank);
  const at::Tensor message = at::zeros({size}, at::kLong), own = sample(size, at::kLong, rank);
  const at::Tensor late = sample(size, at::kInt, rank);
  Pending reducing = group.start_all_reduce(sum, Reduction::sum);
  Pending gathering = group.start_all_gather(gathered, part);
  Pending receiving = group.start_receive(message, (rank + n - 1) % n, 5);
  Pending sending = group.start_send(own, (rank + 1) % n, 5);
  group.all_reduce(late, Reduction::max);  // must come after what is queued
  receiving.wait();
  gathering.wait();
  reducing.wait();
  sending.wait();
  EXPECT_TRUE(reducing.finished());
  EXPECT_TRUE(at::equal(sum, stacked_samples(size, at::kDouble, n).sum(0)));
  EXPECT_TRUE(at::equal(gathered, stacked_samples(size, at::kFloat, n)));
  EXPECT_TRUE(at::equal(message, sample(size, at::kLong, (rank + n - 1) % n)));
  EXPECT_TRUE(at::equal(late, stacked_samples(size, at::kInt, n).amax(0)));
}

void check_bits_of_sums(const ProcessGroup& group, std::int64_t size) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    at::Tensor expected = random_floats(size, 0, dtype);
    for (int r = 1; r < group.size(); ++r) expected = expected + random_floats(size, r, dtype);
    for (int time = 0; time < 3; ++time) {
      const at::Tensor tensor = random_floats(size, group.rank(), dtype);
      group.all_reduce(tensor, Reduction::sum);
      EXPECT_TRUE(at::equal(tensor, expected)) << "size " << size << ", time " << time;
    }
    const at::Tensor input = random_floats(size * group.size(), group.rank(), dtype), output = at::zeros({size}, dtype);
    at::Tensor total = random_floats(size * group.size(), 0, dtype);
    for (int r = 1; r < group.size(); ++r) total = total + random_floats(size * group.size(), r, dtype);
    group.reduce_scatter(output, input, Reduction::sum);
    EXPECT_TRUE(at::equal(output, total.narrow(0, size * group.rank(), size)));
  }
}

void check_reduction_with_nan(const ProcessGroup& group) {
  for (const Reduction reduction : {Reduction::sum, Reduction::max, Reduction::min})
    for (int holder = 0; holder < group.size(); ++holder) {
      const at::Tensor tensor = at::ones({3});
      if (group.rank() == holder) tensor[1] = std::numeric_limits<float>::quiet_NaN();
      group.all_reduce(tensor, reduction);
      EXPECT_TRUE(std::isnan(tensor[1].item<float>())) << "NaN of rank " << holder << " was lost";
      EXPECT_FALSE(std::isnan(tensor[0].item<float>()));
    }
}

void check_errors_of_unfit_tensors(const ProcessGroup& group) {
  using ::testing::HasSubstr;
  const auto message = [](auto fn) { return message_of(ExitCode::internal, fn); };
  EXPECT_THAT(message([&] { group.all_reduce(at::zeros({4, 6}).t(), Reduction::sum); }),
              ::testing::AllOf(HasSubstr("Float [6, 4] with strides [1, 6] is not contiguous"), HasSubstr("allreduce")));
  EXPECT_THAT(message([&] { group.all_reduce(at::zeros({2}, at::kBFloat16), Reduction::sum); }), HasSubstr("BFloat16 cannot be reduced"));
  EXPECT_THAT(message([&] { group.all_reduce(at::zeros({2}, at::kBool), Reduction::sum); }), HasSubstr("bool tensors have no sum"));
  EXPECT_THAT(message([&] { group.all_reduce(at::Tensor(), Reduction::sum); }), HasSubstr("undefined tensor"));
  EXPECT_THAT(message([&] { group.broadcast(at::zeros({2}), group.size()); }), HasSubstr("is not in a group of"));
  EXPECT_THAT(message([&] { group.start_send(at::zeros({2}), -1).wait(); }), HasSubstr("rank -1 is not in a group of"));
  EXPECT_THAT(message([&] { group.all_gather(at::zeros({3 * group.size() + 1}), at::zeros({3})); }),
              HasSubstr("times Float [3]"));
  EXPECT_THAT(message([&] { group.reduce_scatter(at::zeros({3}), at::zeros({3 * group.size()}, at::kInt), Reduction::sum); }),
              HasSubstr("is not"));
  EXPECT_THAT(message([&] {
                std::vector<at::Tensor> two = {at::zeros({1}), at::zeros({1})};
                group.backend()->allreduce(two)->wait();
              }),
              HasSubstr("a list of 2 tensors, expected 1"));
  EXPECT_THAT(message([&] {
                std::vector<at::Tensor> one = {at::zeros({1})};
                c10d::AllreduceOptions options;
                options.reduceOp = c10d::ReduceOp::PRODUCT;
                group.backend()->allreduce(one, options)->wait();
              }),
              HasSubstr("neither sum, max nor min"));
  check_all_reduce(group, 10, at::kFloat);  // and the group is as good as before
}

void check_errors_of_unfit_rows(const ProcessGroup& group) {
  using ::testing::HasSubstr;
  const auto n = static_cast<std::size_t>(group.size());
  const std::vector<std::int64_t> one_each(n, 1);
  std::vector<std::int64_t> negative = one_each, too_many(n + 1, 1);
  negative[0] = -1;
  const at::Tensor rows = at::zeros({group.size(), 2});
  const auto message = [&](const at::Tensor& output, const at::Tensor& input, const auto& receive, const auto& send) {
    return message_of(ExitCode::internal, [&] { group.all_to_all(output, input, receive, send); });
  };
  EXPECT_THAT(message(rows, rows, too_many, one_each), HasSubstr("rows for " + std::to_string(n + 1) + " ranks in a group of"));
  EXPECT_THAT(message(rows, rows, one_each, negative), ::testing::AllOf(HasSubstr("is not [-1"), HasSubstr("rows")));
  EXPECT_THAT(message(at::zeros({group.size() + 1, 2}), rows, one_each, one_each), HasSubstr("2] is not [1"));
  EXPECT_THAT(message(at::zeros({group.size(), 3}), rows, one_each, one_each), HasSubstr("the rows of Float"));
  EXPECT_THAT(message(rows.to(at::kDouble), rows, one_each, one_each), HasSubstr("the rows of Double"));
  EXPECT_THAT(message(at::zeros({}), rows, one_each, one_each), HasSubstr("has no rows"));
  EXPECT_THAT(message(at::zeros({group.size(), 4}).slice(1, 0, 4, 2), rows, one_each, one_each), HasSubstr("is not contiguous"));
  std::vector<std::int64_t> other = one_each;
  other[static_cast<std::size_t>(group.rank())] = 2;
  EXPECT_THAT(message(at::zeros({group.size() + 1, 2}), rows, other, one_each), HasSubstr("keeps 1 rows, but its output has room for 2"));
  check_all_to_all(group, 3, at::kFloat);
}

}  // namespace trellis::testing_support
