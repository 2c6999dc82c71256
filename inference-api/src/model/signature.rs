//! Signature of a model, derived once at load from the ONNX file and the sidecar.

use std::path::Path;

use serde_json::value::RawValue;

use super::{Element, Kind, Labels, LoadError, Port, Sidecar, SidecarFeature};

/// Shape of the requests and responses of a model.
#[derive(Debug)]
pub struct Signature {
    /// Name under which the model is served.
    pub name: String,
    /// Version as which the model is served.
    pub version: String,
    /// Inputs in the ONNX file's order.
    pub inputs: Vec<Port>,
    /// Outputs in the ONNX file's order.
    pub outputs: Vec<Port>,
    /// Mapping of a row to inputs.
    pub layout: Layout,
    /// Entries of a row in `{"features": […]}`, in order.
    pub features: Vec<Feature>,
    /// True if feature names come from a sidecar, a registry or input names; false if generated.
    pub has_names: bool,
    /// Batch size, if the file fixes one.
    pub fixed_batch: Option<usize>,
    /// Reason why the model has no rows, so that only whole tensors can be sent.
    pub no_rows: Option<String>,
    /// Outputs of the classifier, if the model is one.
    pub classifier: Option<Classifier>,
    /// Example body for `POST /predict`; none if the sidecar has none and a generated one would
    /// exceed `MOST_VALUES` (2^20) values.
    pub example: Option<Box<RawValue>>,
}

/// Mapping of a row to inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One input of shape `[batch, features]`: a row is a list of numbers.
    Matrix,
    /// One input of any other shape: a row is that shape as nested lists.
    Tensor,
    /// Several inputs, or one whose only dimension is the batch: a row is a list of one value each.
    Columns,
}

/// Entry of a row.
#[derive(Debug, Clone)]
pub struct Feature {
    /// Name in named requests.
    pub name: String,
    /// True if `null` is accepted as a missing value (NaN).
    pub nullable: bool,
    /// Index of the input that receives the value.
    pub input: usize,
}

/// Outputs of a classifier.
#[derive(Debug, Clone)]
pub struct Classifier {
    /// Index of the output with one label per row.
    pub label: usize,
    /// Index of the output with one probability per class and row.
    pub probabilities: usize,
    /// Class names in the order of the probabilities: the sidecar's, else the file's, else empty.
    pub classes: Vec<String>,
    /// Labels stored in the file, in the same order.
    pub labels: Option<Labels>,
    /// True if a sidecar names the classes.
    pub is_named: bool,
    /// True if the values are scores, for instance distances from the planes between the classes,
    /// and not probabilities. The file does not tell; [`crate::repository`] runs an example.
    pub has_scores: bool,
}

impl Signature {
    /// Derives the signature of the model at `path`.
    ///
    /// # Errors
    /// Returns an error if the model has no inputs or the sidecar does not fit it.
    pub fn new(
        path: &Path,
        (name, version): (String, String),
        (inputs, outputs): (&[Port], &[Port]),
        sidecar: Option<Sidecar>,
    ) -> Result<Self, LoadError> {
        let refuse = |reason: String| LoadError::Model { path: path.to_owned(), reason };
        let misfit = |reason: String| LoadError::Sidecar { path: Sidecar::path(path), reason };
        let layout = layout(inputs).ok_or_else(|| refuse("it has no inputs".to_owned()))?;
        let (fixed_batch, no_rows) = match fixed_batch(inputs) {
            Ok(batch) => (batch, None),
            Err(reason) => (None, Some(reason)),
        };
        let mut features = features(inputs, layout);
        let has_names =
            layout == Layout::Columns || sidecar.as_ref().is_some_and(|s| !s.features.is_empty());
        if let Some(named) = sidecar.as_ref().map(|s| &s.features).filter(|named| !named.is_empty())
        {
            if named.len() != features.len() {
                return Err(misfit(format!(
                    "it names {} features, the model takes {}",
                    named.len(),
                    features.len()
                )));
            }
            for (feature, named) in features.iter_mut().zip(named) {
                if layout == Layout::Columns && feature.name != named.name {
                    return Err(misfit(format!(
                        "it names feature {:?} where the model has input {:?}",
                        named.name, feature.name
                    )));
                }
                let input = &inputs[feature.input];
                if named.nullable && !(input.element.is_float() && is_scalar(layout, input)) {
                    return Err(misfit(format!(
                        "feature {:?} is nullable but is no single float",
                        named.name
                    )));
                }
                feature.name.clone_from(&named.name);
                feature.nullable = named.nullable;
            }
        }
        let labels = |label: &str, scores: &str| Labels::read(path, label, scores);
        let classifier = classifier(outputs, sidecar.as_ref(), labels).map_err(misfit)?;
        let example = match sidecar.and_then(|s| s.example) {
            Some(example) => Some(compact(&example).map_err(|e| misfit(e.to_string()))?),
            None => example(inputs, layout, fixed_batch.unwrap_or(1))
                .map_err(|e| refuse(e.to_string()))?,
        };
        Ok(Self {
            name,
            version,
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
            layout,
            features,
            has_names,
            fixed_batch,
            no_rows,
            classifier,
            example,
        })
    }

    /// Adopts a registry's feature names if the model has as many features without names.
    ///
    /// A mismatch is no error: a registry may describe steps that were not exported.
    pub fn name_features(&mut self, named: &[SidecarFeature]) {
        if self.has_names || self.layout != Layout::Matrix || named.len() != self.features.len() {
            return;
        }
        for (feature, named) in self.features.iter_mut().zip(named) {
            feature.name.clone_from(&named.name);
            feature.nullable = named.nullable && self.inputs[feature.input].element.is_float();
        }
        self.has_names = true;
    }

    /// Returns true if a row has a single value for the feature, not a list.
    pub fn is_scalar(&self, feature: &Feature) -> bool {
        is_scalar(self.layout, &self.inputs[feature.input])
    }

    /// Returns the dimensions of one row of an input, without the batch.
    pub fn row_dims(&self, input: usize) -> &[Option<usize>] {
        self.inputs[input].dims.get(1..).unwrap_or(&[])
    }
}

fn is_scalar(layout: Layout, input: &Port) -> bool {
    layout == Layout::Matrix || matches!(input.dims.get(1..), None | Some([] | [Some(1)]))
}

fn layout(inputs: &[Port]) -> Option<Layout> {
    match inputs {
        [] => None,
        [one] => match one.dims[..] {
            [_, Some(width)] if width <= MOST_VALUES => Some(Layout::Matrix),
            [_] => Some(Layout::Columns),
            _ => Some(Layout::Tensor),
        },
        _ => Some(Layout::Columns),
    }
}

fn fixed_batch(inputs: &[Port]) -> Result<Option<usize>, String> {
    if let Some(scalar) = inputs.iter().find(|i| i.dims.is_empty()) {
        return Err(format!("its input {:?} is a scalar, without a batch dimension", scalar.name));
    }
    let mut sizes: Vec<usize> =
        inputs.iter().filter_map(|i| i.dims.first().copied().flatten()).collect();
    sizes.dedup();
    match sizes[..] {
        [] => Ok(None),
        [0] => Err("its batch dimension is 0".to_owned()),
        [size] => Ok(Some(size)),
        _ => Err(format!("its inputs fix different batch sizes: {sizes:?}")),
    }
}

fn features(inputs: &[Port], layout: Layout) -> Vec<Feature> {
    let feature = |name: String, input: usize| Feature { name, nullable: false, input };
    match (layout, inputs) {
        (Layout::Matrix, [one]) => {
            let width = one.dims.get(1).copied().flatten().unwrap_or(0);
            (0..width).map(|i| feature(format!("{}_{i}", one.name), 0)).collect()
        }
        _ => inputs.iter().enumerate().map(|(i, input)| feature(input.name.clone(), i)).collect(),
    }
}

/// Finds a classifier's outputs by the sidecar, else by the shape that converters give classifiers.
///
/// This shape is one label per row, then one probability per class.
/// Clusterings and outlier detectors have the same shape, but distances or scores and no labels.
fn classifier(
    outputs: &[Port],
    sidecar: Option<&Sidecar>,
    labels_of: impl Fn(&str, &str) -> Option<Labels>,
) -> Result<Option<Classifier>, String> {
    let find = |name: &str| {
        let all = || outputs.iter().map(|o| o.name.as_str()).collect::<Vec<_>>().join(", ");
        outputs
            .iter()
            .position(|o| o.name == name)
            .ok_or_else(|| format!("no output {name:?}; there are: {}", all()))
    };
    let labels = |p: &Port| {
        p.kind == Kind::Tensor
            && matches!(p.element, Element::Int64 | Element::Text)
            && matches!(p.dims[..], [_] | [_, Some(1)])
    };
    let scores = |p: &Port| match p.kind {
        Kind::Maps => true,
        Kind::Tensor => p.element == Element::Float32 && p.dims.len() == 2,
        Kind::Map { .. } | Kind::Sequence => false,
    };
    let classes = sidecar.map(|s| s.classes.clone()).unwrap_or_default();
    let is_named = !classes.is_empty();
    if let Some((label, probabilities)) =
        sidecar.and_then(|s| Some((s.label_output.as_ref()?, s.probability_output.as_ref()?)))
    {
        let (label, probabilities) = (find(label)?, find(probabilities)?);
        if !labels(&outputs[label]) {
            return Err(format!(
                "label_output {:?} is not one int64 or string a row",
                outputs[label].name
            ));
        }
        if !scores(&outputs[probabilities]) {
            return Err(format!(
                "probability_output {:?} is no row of float32, nor a map",
                outputs[probabilities].name
            ));
        }
        let width = outputs[probabilities].dims.get(1).copied().flatten();
        if let Some(width) = width.filter(|&width| !classes.is_empty() && classes.len() != width) {
            return Err(format!("it names {} classes, the model has {width}", classes.len()));
        }
        let own = labels_of(&outputs[label].name, &outputs[probabilities].name);
        return named(Classifier {
            label,
            probabilities,
            classes,
            labels: own,
            is_named,
            has_scores: false,
        })
        .map(Some);
    }
    match outputs {
        [a, b] if labels(a) && scores(b) => {
            let own = labels_of(&a.name, &b.name);
            if own.is_none() && classes.is_empty() && b.kind != Kind::Maps {
                return Ok(None);
            }
            named(Classifier {
                label: 0,
                probabilities: 1,
                classes,
                labels: own,
                is_named,
                has_scores: false,
            })
            .map(Some)
        }
        _ => Ok(None),
    }
}

/// Merges the sidecar's class names with the file's own labels.
fn named(classifier: Classifier) -> Result<Classifier, String> {
    let Classifier { classes, labels, .. } = &classifier;
    let Some(own) = labels else { return Ok(classifier) };
    if classes.is_empty() {
        return Ok(Classifier { classes: own.names(), ..classifier });
    }
    if classes.len() != own.len() {
        return Err(format!(
            "it names {} classes, the model has the labels {}",
            classes.len(),
            own.names().join(", ")
        ));
    }
    match own {
        Labels::Names(names) if names != classes => Err(format!(
            "it names the classes {}, the model calls them {}, in this order",
            classes.join(", "),
            names.join(", ")
        )),
        _ => Ok(classifier),
    }
}

/// Largest number of values in a row with generated examples and feature names.
///
/// A file of 200 bytes can declare billions of values.
const MOST_VALUES: usize = 1 << 20;

/// Generates an example of zeros and empty strings in the right shape.
///
/// A variable dimension gets one element. Returns `None` if there would be too many values.
fn example(
    inputs: &[Port],
    layout: Layout,
    rows: usize,
) -> serde_json::Result<Option<Box<RawValue>>> {
    let of = |input: &Port| {
        let dims = input.dims.get(1..).unwrap_or(&[]);
        dims.iter().try_fold(1usize, |count, dim| count.checked_mul(dim.unwrap_or(1)))
    };
    let values = inputs.iter().try_fold(0usize, |sum, input| sum.checked_add(of(input)?));
    if values.and_then(|values| values.checked_mul(rows)).is_none_or(|values| values > MOST_VALUES)
    {
        return Ok(None);
    }
    fn zeros(element: Element, dims: &[Option<usize>]) -> serde_json::Value {
        match dims.split_first() {
            Some((dim, rest)) => (0..dim.unwrap_or(1)).map(|_| zeros(element, rest)).collect(),
            None => match element {
                Element::Text => "".into(),
                Element::Bool => false.into(),
                Element::Float32 | Element::Float64 => 0.0.into(),
                _ => 0.into(),
            },
        }
    }
    let value = |input: &Port| match input.dims.get(1..).unwrap_or(&[]) {
        _ if matches!(input.kind, Kind::Map { .. }) => serde_json::json!({ "0": 0 }),
        _ if layout == Layout::Columns && is_scalar(layout, input) => zeros(input.element, &[]),
        dims => zeros(input.element, dims),
    };
    let row: serde_json::Value = match layout {
        Layout::Columns => inputs.iter().map(value).collect(),
        Layout::Matrix | Layout::Tensor => inputs.first().map(value).unwrap_or_default(),
    };
    let body = if rows == 1 {
        serde_json::json!({ "features": row })
    } else {
        serde_json::json!({ "instances": vec![row; rows] })
    };
    serde_json::value::to_raw_value(&body).map(Some)
}

/// Removes white space between tokens; keeps numbers and the order of keys as written.
fn compact(json: &RawValue) -> serde_json::Result<Box<RawValue>> {
    let (mut in_string, mut escaped) = (false, false);
    let mut out = json.get().to_owned();
    out.retain(|c| {
        let keep = in_string || !c.is_ascii_whitespace();
        in_string ^= c == '"' && !escaped;
        escaped = in_string && c == '\\' && !escaped;
        keep
    });
    RawValue::from_string(out)
}
