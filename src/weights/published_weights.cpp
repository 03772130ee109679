#include "weights/published_weights.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/errors.h"
#include "weights/safetensors_writer.h"

namespace trellis {
namespace {

using checkpoint::shown;

// The authors' classifier has no tnet beside network.0.
PublishedNames names_of_convolution(const std::string& parameter, const std::string& with_weight_dropout, const std::string& without, bool classifier) {
  PublishedNames names{parameter, {}, {}};
  for (const char* const trellis : {"tnet", "network.0"}) {
    if (classifier && std::string_view(trellis) == "tnet") continue;
    names.tied.push_back(fmt::format("{}.module.full_conv.{}", trellis, with_weight_dropout));
    names.also_read.push_back(fmt::format("{}.full_conv.{}", trellis, without));
  }
  return names;
}

PublishedNames names_of(const std::string& parameter, const TrellisShape& shape) {
  if (parameter == "bias") return names_of_convolution(parameter, "bias2", "bias2", shape.classifier);
  if (parameter.starts_with("W")) {  // W1_v: weight1_v
    const std::string name = "weight" + parameter.substr(1);
    return names_of_convolution(parameter, parameter.ends_with("_g") ? name : name + "_raw", name, shape.classifier);
  }
  const bool mixture = shape.experts > 0;
  PublishedNames names{parameter, {}, {}};
  const auto of_mixture = [&](const std::string& name) { names.tied.insert(names.tied.end(), {"mixsoft." + name, "network.1." + name}); };
  if (parameter == "embedding") {
    names.tied = {"encoder.weight", "decoder.weight"};
    if (mixture) of_mixture("decoder.weight");
  } else if (parameter == "decoder_bias") {
    names.tied = {"decoder.bias"};
    if (mixture) of_mixture("decoder.bias");
  } else if (parameter == "cluster_weight") {
    names.tied = {"criterion.tail_vectors"};
  } else if (parameter == "cluster_bias") {
    names.tied = {"criterion.tail_bias"};
  } else {  // prior_weight: prior.weight, and so on
    const std::size_t underscore = parameter.find('_');
    const std::string name = parameter.substr(0, underscore) + "." + parameter.substr(underscore + 1);
    if (parameter.starts_with("linear")) {
      names.tied = {name};
    } else {
      of_mixture(name);
    }
  }
  return names;
}

bool by_word(const std::string& parameter) { return parameter == "embedding" || parameter == "decoder_bias"; }
bool by_cluster(const std::string& parameter) { return parameter.starts_with("cluster_"); }

// What the shapes of a file's tensors say about the network that they are of.
struct Told {
  std::optional<bool> weight_norm;
  std::optional<std::int64_t> hidden, embedding, kernel, experts, outputs, words, clusters, classes;

  explicit Told(const SafetensorsFile& file) {
    for (const SafetensorsTensor& tensor : file.tensors()) {
      const auto is = [&](const char* end, std::size_t dimensions) { return tensor.name.ends_with(end) && tensor.shape.size() == dimensions; };
      const bool normalised = is("full_conv.weight1_v_raw", 3) || is("full_conv.weight1_v", 3);
      if (normalised || is("full_conv.weight1_raw", 3) || is("full_conv.weight1", 3)) {
        weight_norm = normalised, hidden = tensor.shape[0] / 4, embedding = tensor.shape[1], kernel = tensor.shape[2];
      }
      if (is("mixsoft.prior.weight", 2)) experts = tensor.shape[0], outputs = tensor.shape[1];
      if (is("encoder.weight", 2)) words = tensor.shape[0];
      if (is("criterion.tail_bias", 1)) clusters = tensor.shape[0];
      if (is("linear.bias", 1)) classes = tensor.shape[0];
    }
  }

  // Settings that would fit better; empty if none is known.
  std::string advice(const TrellisShape& shape) const {
    if (!hidden) return "";
    std::vector<std::string> needs;
    const auto number = [&](const char* name, std::int64_t is, std::int64_t needed) {
      if (is != needed) needs.push_back(fmt::format("{}={}", name, needed));
    };
    number("model.hidden", shape.hidden, *hidden);
    number("model.embedding", shape.embedding, *embedding);
    number("model.outputs", shape.outputs, classes ? *classes : experts ? *outputs : *embedding);
    number("model.kernel", shape.kernel, *kernel);
    number("model.experts", shape.experts, experts.value_or(0));
    if (*weight_norm != shape.weight_norm) needs.push_back(fmt::format("model.weight_norm={}", *weight_norm));
    if (classes.has_value() != shape.classifier) needs.push_back(classes ? "model.task=classifier" : "model.task=language_model");
    if (clusters.value_or(0) != static_cast<std::int64_t>(shape.cutoffs.size())) needs.push_back(fmt::format("{} model.cutoffs", clusters.value_or(0)));
    if (words && !shape.classifier && *words != shape.vocabulary) needs.push_back(fmt::format("a vocabulary of {} words instead of {}", *words, shape.vocabulary));
    return needs.empty() ? "" : fmt::format("by its shapes the file is of a network with {}", fmt::join(needs, ", "));
  }
};

// Values that this network has no use for; empty if it takes them all.
std::string unfit(const ParameterLayout& layout, const ParameterInfo& info, const at::Tensor& values) {
  if (info.rows == ParameterInfo::Rows::grouped_kernel) {
    const auto outside = values.ne(layout.published(info, layout.in_memory(info, values))).sum().item<std::int64_t>();
    if (outside > 0) return fmt::format("{} weights that are not zero where a mixed group convolution of these groups has none", outside);
  }
  if (info.is_kernel() && info.name.ends_with("_v")) {
    const auto zero = values.flatten(1).eq(0).all(1).sum().item<std::int64_t>();
    if (zero > 0) return fmt::format("{} rows that are zero, by whose length weight normalisation would divide", zero);
  }
  return "";
}

}  // namespace

std::vector<std::string> PublishedNames::all() const {
  std::vector<std::string> names = tied;
  names.insert(names.end(), also_read.begin(), also_read.end());
  return names;
}

std::vector<PublishedNames> published_names(const TrellisShape& shape) {
  const ParameterLayout layout(shape);
  std::vector<PublishedNames> names;
  for (const ParameterInfo& info : layout.parameters()) names.push_back(names_of(info.name, shape));
  return names;
}

bool take_published(WeightsReader& reader, const PublishedNames& names, WeightsReader::Need need, const WordRows& words, Parameters& weights) {
  const ParameterInfo& info = weights.layout().find(names.parameter);
  at::Tensor values = reader.take(names.all(), info.published, need);
  if (!values.defined()) return false;
  if (by_cluster(info.name)) values = values.flip(0);
  if (by_word(info.name)) values = words.in_corpus_order(values);
  if (const std::string problem = unfit(weights.layout(), info, values); !problem.empty()) {
    reader.add_problem(fmt::format("{} has {}", shown(names.tied.front()), problem));
  } else {
    weights.assign(info.name, values);
  }
  return true;
}

void read_published_weights(const SafetensorsFile& file, const TrellisShape& shape, const WordRows& words, Parameters& weights) {
  WeightsReader reader(file, weights.flat().scalar_type());
  for (const PublishedNames& names : published_names(shape)) take_published(reader, names, WeightsReader::Need::required, words, weights);
  const std::string advice = Told(file).advice(shape);
  reader.finish(advice.empty() ? "give exactly the weights of this network, under the names of docs/weights.md" : advice);
}

void write_published_weights(const std::filesystem::path& path, const TrellisShape& shape, const Parameters& weights,
                             SafetensorsMetadata metadata) {
  std::vector<at::Tensor> values;  // alive until they are written
  std::vector<SafetensorsSource> sources;
  const auto dtype = weights.flat().scalar_type() == at::kDouble ? SafetensorsDtype::f64 : SafetensorsDtype::f32;
  for (const PublishedNames& names : published_names(shape)) {
    const at::Tensor published = weights.published(names.parameter);
    values.push_back((by_cluster(names.parameter) ? published.flip(0) : published).contiguous());
    sources.push_back({names.tied.front(), dtype, values.back().sizes().vec(), values.back().const_data_ptr()});
    for (std::size_t other = 1; other < names.tied.size(); ++other) metadata[names.tied[other]] = names.tied.front();
  }
  write_safetensors(path, sources, metadata);
}

}  // namespace trellis
