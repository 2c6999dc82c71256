//! What a request row looks like for a given model, worked out once at load from the ONNX file and
//! the sidecar.

use std::path::Path;

use serde_json::value::RawValue;

use super::{Element, Kind, Labels, LoadError, Port, Sidecar, SidecarFeature};

/// What a request row and an answer look like.
#[derive(Debug)]
pub struct Signature {
    /// The name that it is served under.
    pub name: String,
    /// The version that it is served as.
    pub version: String,
    /// In the ONNX file's order.
    pub inputs: Vec<Port>,
    /// In the ONNX file's order.
    pub outputs: Vec<Port>,
    /// How a row maps to inputs.
    pub layout: Layout,
    /// What `{"features": […]}` holds, in order.
    pub features: Vec<Feature>,
    /// Whether the names of the features are told by a sidecar or by the names of inputs, and not
    /// made up.
    pub has_names: bool,
    /// The batch size, if the file fixes one.
    pub fixed_batch: Option<usize>,
    /// Why there are no rows to send one by one, if so: only whole tensors can be sent then.
    pub no_rows: Option<String>,
    /// Where label and probabilities are, if the model is a classifier.
    pub classifier: Option<Classifier>,
    /// A body for `POST /predict`; none where nobody gave one and a row has more than a million
    /// values.
    pub example: Option<Box<RawValue>>,
}

/// How a row maps to inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One input of shape `[batch, features]`: a row is a list of numbers.
    Matrix,
    /// One input of any other shape: a row is that shape as nested lists.
    Tensor,
    /// Several inputs, or one that has no dimension but the batch: a row is a list with a value for
    /// each.
    Columns,
}

/// One entry of a row.
#[derive(Debug, Clone)]
pub struct Feature {
    /// Its name in named requests.
    pub name: String,
    /// Whether `null` is taken as a missing value (NaN).
    pub nullable: bool,
    /// The input it goes to.
    pub input: usize,
}

/// Where a classifier's answer is.
#[derive(Debug, Clone)]
pub struct Classifier {
    /// The output with a label a row.
    pub label: usize,
    /// The output with a probability a class a row.
    pub probabilities: usize,
    /// Class names in the order of the probabilities: the sidecar's, or the file's own labels;
    /// empty if neither tells.
    pub classes: Vec<String>,
    /// The file's own labels, in the same order.
    pub labels: Option<Labels>,
    /// Whether a sidecar names the classes.
    pub is_named: bool,
}

impl Signature {
    /// Works out the signature of the model at `path`.
    ///
    /// # Errors
    /// When the sidecar names features or outputs that the model does not have.
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
        if let Some(told) = sidecar.as_ref().map(|s| &s.features).filter(|told| !told.is_empty()) {
            if told.len() != features.len() {
                return Err(misfit(format!(
                    "it names {} features, the model takes {}",
                    told.len(),
                    features.len()
                )));
            }
            for (feature, told) in features.iter_mut().zip(told) {
                if layout == Layout::Columns && feature.name != told.name {
                    return Err(misfit(format!(
                        "it names feature {:?} where the model has input {:?}",
                        told.name, feature.name
                    )));
                }
                let input = &inputs[feature.input];
                if told.nullable && !(input.element.is_float() && is_scalar(layout, input)) {
                    return Err(misfit(format!(
                        "feature {:?} is nullable but is no single float",
                        told.name
                    )));
                }
                feature.name.clone_from(&told.name);
                feature.nullable = told.nullable;
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

    /// Takes over what a registry calls the features, if the model has as many that have no names
    /// yet. A registry describes what came before the model was exported as well, so that what does
    /// not fit is no error.
    pub fn name_features(&mut self, told: &[SidecarFeature]) {
        if self.has_names || self.layout != Layout::Matrix || told.len() != self.features.len() {
            return;
        }
        for (feature, told) in self.features.iter_mut().zip(told) {
            feature.name.clone_from(&told.name);
            feature.nullable = told.nullable && self.inputs[feature.input].element.is_float();
        }
        self.has_names = true;
    }

    /// Whether a row has one value for the feature, and not a list of them.
    pub fn is_scalar(&self, feature: &Feature) -> bool {
        is_scalar(self.layout, &self.inputs[feature.input])
    }

    /// Shape of one row of an input, without the batch.
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

/// By the sidecar's word, else by the shape that converters give classifiers: a label a row, then a
/// probability a class. A clustering or an outlier detector has the same shape, and no labels of
/// classes: what is beside its label are distances or scores.
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
        return named(Classifier { label, probabilities, classes, labels: own, is_named })
            .map(Some);
    }
    match outputs {
        [a, b] if labels(a) && scores(b) => {
            let own = labels_of(&a.name, &b.name);
            if own.is_none() && classes.is_empty() && b.kind != Kind::Maps {
                return Ok(None);
            }
            named(Classifier { label: 0, probabilities: 1, classes, labels: own, is_named })
                .map(Some)
        }
        _ => Ok(None),
    }
}

/// Brings the sidecar's names and the file's own labels together.
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

/// Values of a row up to which an example is made up, and features have names of their own: a file
/// of 200 bytes can ask for thousands of millions.
const MOST_VALUES: usize = 1 << 20;

/// Without a sidecar: zeros (and empty strings) in the right shape, one element where a dimension
/// may vary; none of a row that has too many.
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

/// The same JSON without the white space between its tokens; numbers and the order of keys stay as
/// they are written.
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
