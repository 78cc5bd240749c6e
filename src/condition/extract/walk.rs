//! A walk: one pass over an object's text that adds what the contract reads to a draft.

use fusegate_crds::UnknownKeys;

use crate::condition::{
    contract::Contract,
    cursor::{Broken, Cursor},
    entry::Reader,
    expression::Outcome,
    extract::draft::{Draft, name_of},
    fields::{Fields, present},
    json::{self, Json},
    place::Place,
    problem::Code,
    report::{Entry, Report},
    value::Reading,
};

/// What becomes of an undeclared entry of a map, where the contract doesn't say: one that carries a `status` in place
/// of a `value` is a standard condition, of which a controller writes more than anybody judges, whatever holds it.
fn unknown_in_map(fields: &Fields<'_>) -> UnknownKeys {
    match (present(fields.value), present(fields.status)) {
        (None, Some(_)) => UnknownKeys::Ignore,
        _ => UnknownKeys::Reject,
    }
}

/// A pass over an object's text.
pub(super) struct Walk<'c, 't> {
    draft: Draft<'c, 't>,
    /// What stands at the inputs of the contract's expressions.
    inputs: Vec<Option<&'t str>>,
}

/// The name of the entry that a `*` stands for at the moment.
type Star<'n> = Option<&'n str>;

impl<'c, 't> Walk<'c, 't> {
    pub(super) fn new(contract: &'c Contract) -> Self {
        Self {
            draft: Draft::new(contract),
            inputs: vec![None; contract.inputs().len()],
        }
    }

    /// Takes what stands at a place, and what is within it.
    pub(super) fn visit(
        &mut self,
        place: &Place,
        star: Star<'_>,
        cursor: &mut Cursor<'t>,
    ) -> Result<(), Broken> {
        if !place.is_read() {
            return self.enter(place, star, cursor);
        }
        let (start, _) = cursor.next_byte();
        let value = cursor.value()?;
        let raw = cursor.since(start);
        for input in &place.inputs {
            if let Some(input) = self.inputs.get_mut(*input) {
                *input = Some(raw);
            }
        }
        for condition in &place.conditions {
            self.take_value(*condition, star, value)?;
        }
        if place.leads_on() {
            self.enter(place, star, &mut Cursor::new(raw))?;
        }
        Ok(())
    }

    /// Goes through what is within a place.
    pub(super) fn enter(
        &mut self,
        place: &Place,
        star: Star<'_>,
        cursor: &mut Cursor<'t>,
    ) -> Result<(), Broken> {
        match (cursor.next_byte().1, &place.each) {
            (Some(b'{'), each) => cursor.members(|key, cursor| match (place.find(key), each) {
                (Some(field), _) => self.visit(field, star, cursor),
                (None, _) if place.has_entries => self.map_entry(key, cursor),
                (None, Some(each)) => self.visit(each, Some(&name_of(key)), cursor),
                (None, None) => cursor.value().map(drop),
            }),
            (Some(b'['), _) if place.has_entries => cursor.items(|cursor| self.list_item(cursor)),
            (Some(b'['), Some(each)) => {
                let mut index = 0_usize;
                cursor.items(|cursor| {
                    index += 1;
                    self.visit(each, Some(&(index - 1).to_string()), cursor)
                })
            }
            _ => match cursor.value()? {
                Json::Null => Ok(()),
                _ if place.leads_to_entries => Err(Broken),
                _ => Ok(()),
            },
        }
    }

    /// Takes the value of a condition that has a place of its own.
    fn take_value(&mut self, index: usize, star: Star<'_>, value: Json<'t>) -> Result<(), Broken> {
        let fields = match value {
            Json::Null => return Ok(()),
            Json::Object(raw) => Some(Fields::read(&mut Cursor::new(raw))?),
            _ => None,
        };
        let read = |reader: Reader<'_>| match &fields {
            Some(fields) => reader.object(fields),
            None => reader.bare(value),
        };
        let Some(condition) = self.draft.contract.conditions().get(index) else {
            return Ok(());
        };
        let hash = json::hash_text(&condition.key);
        match star {
            Some(name) if condition.is_several() => {
                self.draft.one_of_several(index, hash, name, read);
            }
            _ => self.draft.declared(index, hash, "", read),
        }
        Ok(())
    }

    /// Takes an entry of a map.
    fn map_entry(&mut self, key: Json<'t>, cursor: &mut Cursor<'t>) -> Result<(), Broken> {
        let text = key.text();
        let hash = key.hash();
        let index = text
            .as_deref()
            .and_then(|text| self.draft.contract.entry_of(text, hash));
        if cursor.next_byte().1 == Some(b'{') {
            let fields = Fields::read(cursor)?;
            match index {
                Some(index) => self
                    .draft
                    .declared(index, hash, "", |reader| reader.object(&fields)),
                None => self
                    .draft
                    .undeclared(key, fields.content, unknown_in_map(&fields)),
            }
        } else {
            let value = cursor.value()?;
            match index {
                Some(index) => self
                    .draft
                    .declared(index, hash, "", |reader| reader.bare(value)),
                None => self
                    .draft
                    .undeclared(key, value.hash(), UnknownKeys::Reject),
            }
        }
        Ok(())
    }

    /// Takes an item of the standard list.
    fn list_item(&mut self, cursor: &mut Cursor<'t>) -> Result<(), Broken> {
        let (start, first) = cursor.next_byte();
        if first != Some(b'{') {
            let value = cursor.value()?;
            self.draft.nameless(value, value.hash());
            return Ok(());
        }
        let fields = Fields::read(cursor)?;
        let type_ = fields.type_.unwrap_or(Json::Null);
        let Some(key) = type_.text() else {
            self.draft
                .nameless(Json::Object(cursor.since(start)), fields.content);
            return Ok(());
        };
        let hash = json::hash_text(&key);
        match self.draft.contract.entry_of(&key, hash) {
            Some(index) => {
                let changed = match fields.transition {
                    Some(Json::Plain(text)) => text,
                    _ => "",
                };
                self.draft
                    .declared(index, hash, changed, |reader| reader.object(&fields));
            }
            None => self
                .draft
                .undeclared(type_, fields.content, UnknownKeys::Ignore),
        }
        Ok(())
    }

    /// Computes what the contract's expressions say of the inputs that were found.
    fn compute(&mut self) {
        for (index, expression) in self.draft.contract.expressions() {
            let Some(condition) = self.draft.contract.conditions().get(*index) else {
                continue;
            };
            let entry = match expression.evaluate(self.draft.contract.inputs(), &self.inputs) {
                Outcome::Missing => continue,
                Outcome::Computed(value) => self.draft.reader(condition).bare(value.json()),
                Outcome::Failed(words) => {
                    let code = Code::ExpressionFailed;
                    let id = json::hash_text(&words);
                    self.draft
                        .problems
                        .note(self.draft.contract.problem(condition, "", code, &words));
                    Entry {
                        reading: Reading::Failed,
                        content: id,
                        id,
                        ..Entry::MISSING
                    }
                }
            };
            self.draft
                .put(*index, json::hash_text(&condition.key), entry);
        }
    }

    /// The report, once everything has been walked over.
    pub(super) fn finish(mut self) -> Report {
        self.compute();
        self.draft.finish()
    }
}
