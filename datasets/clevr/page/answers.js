// What the networks answer, what is true, and which pairs decided.

import { html, radio, write } from "./html.js";

/** Answers and pairs that are listed. */
const LISTED = 5;
/** Pairs of less than this part of the strongest one's weight are not. */
const LEAST = 0.01;

const percent = (share) =>
  share > 0.9995 && share < 1
    ? "> 99.9 %"
    : `${(100 * share).toFixed(1).replace(/^0\.0$/, "< 0.1")} %`;
const signed = (value) =>
  `${value < -0.005 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
const byId = (id) => document.getElementById(id);

/** The switch between networks, each with its own answer. */
export class Switch {
  constructor(about, choose) {
    this.choices = about.map((model, number) => {
      const says = html("span", { className: "says", textContent: "…" });
      const name = html("span", { className: "name", textContent: model.name });
      const { all } = model.accuracy;
      const right = all ? `${(100 * all).toFixed(1)} % in tests` : "";
      const figure = html("span", { className: "figure", textContent: right });
      const { input, element } = radio(
        "model",
        String(number),
        [name, says, figure],
        () => choose(number),
      );
      byId("models").append(element);
      return { input, says, element };
    });
  }

  /**
   * Show what each answers.
   *
   * @param {?string[]} answers One a network; null where it is not loaded.
   * @param {?string[]} truth The true answers, where they are known.
   * @param {number} chosen Which network is looked at.
   */
  show(answers, truth, chosen) {
    this.choices.forEach(({ input, says, element }, i) => {
      const answer = answers[i];
      input.checked = i === chosen;
      const right = answer && truth ? truth.includes(answer) : null;
      element.classList.toggle("right", right === true);
      element.classList.toggle("wrong", right === false);
      const mark = right === null ? "" : right ? " ✓" : " ✗";
      write(says, (answer ?? "…") + mark);
    });
  }
}

/** Show an answer beside the true one. */
export function showAnswer({ model, reply, answers, truth, note }) {
  write(byId("who"), model ? `${model.name} says` : "The network says");
  const best = reply ? answers[reply.best] : "";
  write(byId("says"), reply ? best : "–");
  write(
    byId("sure"),
    reply ? `${percent(reply.probability[reply.best])} sure` : "",
  );
  write(byId("truth"), truth ? truth.join(" or ") : "–");
  const right = reply && truth ? truth.includes(best) : null;
  const verdict = right === null ? note : right ? "right ✓" : "wrong ✗";
  write(byId("verdict"), verdict);
  const card = byId("says").closest(".card");
  card.classList.toggle("right", right === true);
  card.classList.toggle("wrong", right === false);
  showLikeliest(reply, answers, truth);
}

function showLikeliest(reply, answers, truth) {
  const order = reply
    ? [...reply.probability.keys()].sort(
        (a, b) => reply.probability[b] - reply.probability[a],
      )
    : [];
  byId("likeliest").replaceChildren(
    ...order.slice(0, LISTED).map((i) => {
      const bar = html("span", { className: "bar" });
      bar.style.setProperty("--share", reply.probability[i]);
      return html(
        "li",
        { className: truth?.includes(answers[i]) ? "true" : "" },
        [
          html("span", { className: "word", textContent: answers[i] }),
          bar,
          html("span", {
            className: "share",
            textContent: percent(reply.probability[i]),
          }),
        ],
      );
    }),
  );
}

/**
 * List the pairs that spoke most for an answer.
 *
 * @param {?object[]} pairs With sender, receiver and weight; null for a
 *   network without g.
 * @param {string[]} names Of the objects.
 * @param {string} answer What they spoke for.
 * @param {function(?string): void} mark Called with the pair that is pointed at.
 */
export function showPairs(pairs, names, answer, mark) {
  const list = byId("pairs");
  if (!pairs) {
    write(byId("pairs-title"), "Deciding pairs");
    list.replaceChildren();
    return;
  }
  write(byId("pairs-title"), `The pairs that spoke most for “${answer}”`);
  const order = [...pairs].sort((a, b) => b.weight - a.weight);
  const most = Math.max(order[0].weight, 1e-9);
  const listed = order
    .slice(0, LISTED)
    .filter(({ weight }) => weight >= LEAST * most);
  const others = order.slice(listed.length);
  list.replaceChildren(
    ...listed.map(({ sender, receiver, weight }) => {
      const bar = html("span", { className: "bar" });
      bar.style.setProperty("--share", Math.max(0, weight / most));
      const text =
        sender === receiver
          ? `${names[sender]}, with itself`
          : `${names[sender]} → ${names[receiver]}`;
      const item = html("li", {}, [
        html("span", {
          className: "share",
          textContent: signed(weight),
        }),
        bar,
        html("span", { className: "word", textContent: text }),
      ]);
      const name = `${sender}-${receiver}`;
      item.addEventListener("pointerenter", () => mark(name));
      item.addEventListener("pointerleave", () => mark(null));
      return item;
    }),
  );
  if (!others.length) return;
  const rest = others.reduce((sum, { weight }) => sum + weight, 0);
  const plural = others.length > 1 ? `${others.length} others` : "other pair";
  list.append(
    html("li", { className: "quiet" }, [
      html("span", { className: "share", textContent: signed(rest) }),
      html("span"),
      html("span", {
        className: "word",
        textContent: `the ${plural} together`,
      }),
    ]),
  );
}

/** Say how many pairs there are, or why there are none. */
export function notePairs(text) {
  write(byId("pairs-note"), text);
}
