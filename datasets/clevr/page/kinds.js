// Kinds of questions to choose from: every family, in the groups they come in.

import { html } from "./html.js";

/** The groups in words, in the order of the list. */
const TITLES = {
  zero_hop: "One object, or how many",
  one_hop: "One step away",
  two_hop: "Two steps away",
  three_hop: "Three steps away",
  same_relate: "Sharing a property",
  comparison: "Comparing two objects",
  compare_integer: "Comparing numbers",
  single_and: "Both … and",
  single_or: "Either … or",
};

/** Put every family into a list. */
export function fillKinds(select, questions) {
  const { families } = questions.facts;
  const groups = Object.entries(TITLES).map(([name, label]) => {
    const options = families.flatMap((family, value) =>
      family.group === name
        ? [html("option", { value, textContent: questions.title(family) })]
        : [],
    );
    return html("optgroup", { label }, options);
  });
  const any = html("option", {
    value: "",
    textContent: "any kind of question",
  });
  select.append(any, ...groups);
}
