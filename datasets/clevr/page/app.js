// The page: a scene, a question, networks that answer, and what is true.

import { notePairs, showAnswer, showPairs, Switch } from "./answers.js";
import { ask } from "./asking.js";
import { Completion } from "./completion.js";
import { Editor } from "./editor.js";
import { write } from "./html.js";
import { fillKinds } from "./kinds.js";
import { Model } from "./network/model.js";
import { Questions } from "./questions.js";
import { levelHint, read } from "./reading.js";
import { Scene } from "./scene.js";
import { Stage, STEP } from "./stage.js";

const byId = (id) => document.getElementById(id);

/** A short pause after which a screen reader is told, in milliseconds. */
const PAUSE = 700;

export class App {
  constructor({ task, models }) {
    this.task = task;
    this.about = models;
    /** @type {?Model[]} Each once it is loaded. */
    this.models = models.map(() => null);
    this.number = 0;
    this.chosen = null;
    this.text = "";
    this.scene = new Scene(task);
    this.questions = new Questions(task);
    this.stage = new Stage(byId("stage"), task, {
      find: (id) => this.scene.objects.find((item) => item.id === id),
      choose: (item) => this.choose(item),
      move: (item, x, y) => this.move(item, x, y),
      drop: (item) => this.dropped(item),
      remove: (item) => this.remove(item),
    });
    this.editor = new Editor(task, (name, value) => this.change(name, value));
    this.switch = new Switch(models, (number) => {
      this.number = number;
      this.update();
    });
    this.completion = new Completion(
      byId("question"),
      byId("words"),
      task,
      (text) => {
        this.text = text;
        this.update();
      },
    );
    fillKinds(byId("kind"), this.questions);
    byId("another").addEventListener("click", () => this.ask());
    byId("kind").addEventListener("change", () => this.ask());
    byId("new-scene").addEventListener("click", () => this.newScene());
    byId("add").addEventListener("click", () => this.add());
    byId("remove").addEventListener("click", () => this.remove(this.chosen));
    for (const button of document.querySelectorAll("[data-move]")) {
      button.addEventListener("click", () =>
        this.stage.nudge(this.chosen, button.dataset.move, 2 * STEP),
      );
    }
    this.waiting = false;
    this.pause = null;
  }

  /** Load all networks, the one that is looked at first. */
  async load() {
    const load = async (number) => {
      this.models[number] = await Model.load(this.about[number]);
      this.update();
    };
    await load(this.number);
    await Promise.all(this.models.map((model, i) => model ?? load(i)));
  }

  // What a visitor does ######################################################

  /** The first scene is asked what hangs on a pair, and is not nought. */
  begin() {
    const first = this.task.families.findIndex(
      ({ group, nodes }) =>
        group === "one_hop" && nodes.at(-1).function === "count",
    );
    for (let tries = 0; tries < 50; tries++) {
      this.scene.redraw();
      const text = ask(this.task, this.task.families[first], this.scene);
      if (!text) continue;
      this.setQuestion(text);
      const [answer] = this.read().truth;
      if (answer > 0 && answer < this.scene.objects.length - 1) return;
    }
  }

  newScene() {
    this.scene.redraw();
    this.chosen = null;
    this.hint("");
    this.ask();
  }

  /** Ask a question of the chosen kind that fits the scene. */
  ask() {
    const kind = byId("kind").value;
    const { families } = this.task;
    let text = null;
    for (let tries = 0; tries < (kind ? 1 : 30) && !text; tries++) {
      const at = kind || Math.floor(Math.random() * families.length);
      text = ask(this.task, families[at], this.scene);
    }
    if (text) {
      this.setQuestion(text);
    } else {
      this.update();
      this.hint(
        "No question of this kind fits this scene: each would name an object " +
          "that is not there once. Try a new scene.",
      );
    }
  }

  setQuestion(text) {
    this.text = text;
    this.completion.set(text);
    this.update();
  }

  choose(item) {
    if (this.chosen === item) return;
    this.chosen = item;
    this.update();
  }

  move(item, x, y) {
    const stopped = this.scene.moveTo(item, x, y);
    this.hint(
      stopped
        ? `It stops at the ${this.scene.name(stopped)}: objects cannot overlap.`
        : levelHint(this.scene, item),
    );
    this.update();
  }

  dropped(item) {
    this.hint(levelHint(this.scene, item));
  }

  change(name, value) {
    const done = this.scene.change(this.chosen, name, value);
    this.hint(
      done ? "" : `There is no room here to make it ${value}: move it first.`,
    );
    this.update();
  }

  add() {
    const [, most] = this.task.objects;
    if (this.scene.objects.length >= most) {
      this.hint(
        `The networks know scenes of up to ${most} objects: remove one first.`,
      );
      return;
    }
    const item = this.scene.add();
    this.hint(
      item ? "" : "There is no room left: make an object small, or remove one.",
    );
    if (!item) return;
    this.chosen = item;
    this.update();
    this.flush();
    this.stage.focus(item);
  }

  remove(item) {
    const [least] = this.task.objects;
    if (!item) return;
    if (this.scene.objects.length <= least) {
      this.hint(
        `The networks know scenes of ${least} objects or more: add one first.`,
      );
      return;
    }
    const at = this.scene.objects.indexOf(item);
    const focused = document.activeElement?.classList.contains("handle");
    this.scene.remove(item);
    const { objects } = this.scene;
    this.chosen = focused ? objects[Math.min(at, objects.length - 1)] : null;
    this.hint("");
    this.update();
    this.flush();
    if (focused) this.stage.focus(this.chosen);
  }

  hint(text) {
    write(byId("hint"), text);
  }

  // What is shown ############################################################

  /** Show everything anew, once before the next picture. */
  update() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => this.flush());
  }

  /** Show everything anew, now. */
  flush() {
    if (!this.waiting) return;
    this.waiting = false;
    this.stage.draw(this.scene, this.chosen);
    this.editor.show(this.chosen, this.chosen && this.scene.name(this.chosen));
    const [least, most] = this.task.objects;
    write(
      byId("count"),
      `${this.scene.objects.length} objects (${least} to ${most})`,
    );
    const read = this.read();
    write(byId("reading"), read.note);
    byId("reading").classList.toggle("problem", read.problem);
    byId("question").setAttribute("aria-invalid", read.problem);
    this.answer(read);
  }

  read() {
    return read(this.questions, this.text, this.scene);
  }

  answer({ words, truth, note, short }) {
    const { answers } = this.task;
    const objects = this.scene.features();
    const tokens = words && this.questions.encode(words);
    this.replies = this.models.map((model) =>
      model && tokens ? model.answer(tokens, objects) : null,
    );
    const said = this.replies.map((reply) => reply && answers[reply.best]);
    this.switch.show(said, truth, this.number);
    const model = this.about[this.number];
    const reply = this.replies[this.number];
    showAnswer({ model, reply, answers, truth, note: short ?? "" });
    this.explain(model, reply);
    this.speak({ model, said: said[this.number], truth, note });
  }

  /** Draw and list the pairs that decided, where there are any. */
  explain(model, reply) {
    const names = this.scene.objects.map((item) => this.scene.name(item));
    const mark = (pair) => this.stage.mark(pair);
    this.pairs = null;
    if (reply?.pairs) {
      const weights = reply.contributions(reply.best);
      this.pairs = reply.pairs.map((pair, p) => ({
        ...pair,
        weight: weights[p],
      }));
    }
    this.stage.drawPairs(this.pairs ?? []);
    const answer = reply ? this.task.answers[reply.best] : "";
    showPairs(this.pairs, names, answer, mark);
    if (!reply) {
      notePairs("");
    } else if (this.pairs) {
      const all = names.length ** 2;
      notePairs(
        `${model.name} looks at ${this.pairs.length} of ${all} pairs. An arrow goes ` +
          "from sender to receiver; the more of the score is the pair's, the stronger it is.",
      );
    } else {
      notePairs(
        `${model.name} has no g, no function of a pair whose values are summed: it ` +
          "cannot say which pairs decided.",
      );
    }
  }

  /** Tell a screen reader, once nothing changes for a moment. */
  speak({ model, said, truth, note }) {
    clearTimeout(this.pause);
    if (!said) return;
    this.pause = setTimeout(() => {
      const known = truth ? ` True answer: ${truth.join(" or ")}.` : ` ${note}`;
      write(byId("spoken"), `${model.name} says ${said}.${known}`);
    }, PAUSE);
  }
}
