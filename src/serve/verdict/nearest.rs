//! The nearest name: what a misspelled one was probably meant to be.

/// The most names that are compared, so that no question costs more than a moment.
const MOST_NAMES: usize = 10_000;

/// The longest name that is compared; comparing costs the product of both lengths.
const LONGEST: usize = 64;

/// The name that differs from `name` in the fewest characters, and in few enough to be meant.
pub(crate) fn nearest<T: AsRef<str>>(name: &str, known: impl Iterator<Item = T>) -> Option<T> {
    if name.len() > LONGEST {
        return None;
    }
    // A third of a name may be wrong, and of a short one a character.
    let most = (name.chars().count() / 3).clamp(1, 3);
    let comparable = known.take(MOST_NAMES).filter(|known| {
        let length = known.as_ref().len();
        length <= LONGEST && length.abs_diff(name.len()) <= most
    });
    let distances = comparable.map(|known| (strsim::osa_distance(name, known.as_ref()), known));
    let close = distances.filter(|(distance, _)| *distance <= most);
    close
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::transposed("chekcout", Some("checkout"))]
    #[case::left_out("chekout", Some("checkout"))]
    #[case::short("eu1", Some("eu-1"))]
    #[case::another_word("payments", None)]
    #[case::of_another_case("Checkout", Some("checkout"))]
    #[case::endless(
        "checkoutcheckoutcheckoutcheckoutcheckoutcheckoutcheckoutcheckoutcheckout",
        None
    )]
    fn a_name_is_near_if_few_of_its_characters_are_wrong(
        #[case] name: &str,
        #[case] expected: Option<&str>,
    ) {
        let known = ["billing", "checkout", "eu-1", "us-1"];
        assert_eq!(nearest(name, known.into_iter()), expected);
    }
}
