// The weekly grid on a campaign's page: paints the rows below it, which are what is saved. See week_rows.js for what
// painting means; here are the page, the pointer and the keys.

import {
    DAY, DAYS, HOUR, QUARTER, WEEK, clockText, copyDay, dayPreset, endText, fromTheDayBefore, inWords, openHours, openParts, paint,
    preset, secondOf, spanOf, stateOf, unionOf, weekText,
} from "./week_rows.js";

const PHONE = window.matchMedia("(max-width: 767px)");
const UNDO_STEPS = 100;
const ASK_AFTER_MS = 400; // when a person pauses in painting
const URL_LIMIT = 3500; // servers refuse longer addresses

// --- The rows of the form --------------------------------------------------------------------------------------------

/** Reads rows from the form and writes them back. A row's id is its line of the table. */
class Rows {
    constructor(section) {
        this.prefix = section.dataset.prefix;
        this.body = section.querySelector(".week-rows tbody");
        this.template = section.querySelector("template");
        this.total = section.querySelector(`[name="${this.prefix}-TOTAL_FORMS"]`);
        for (const line of this.lines()) {
            if ("blank" in line.dataset) {
                this.remove(line);
            }
        }
    }

    lines() {
        return [...this.body.rows];
    }

    field(line, name) {
        return line.querySelector(`[name$="-${name}"]`);
    }

    isRemoved(line) {
        return this.field(line, "DELETE").checked;
    }

    remove(line) {
        this.field(line, "DELETE").checked = true;
        line.hidden = true;
    }

    read() {
        return this.lines().filter((line) => !this.isRemoved(line)).map((line) => {
            const day = this.field(line, "day_of_week").value;
            return {
                id: line,
                day: day === "" ? null : Number(day),
                start: secondOf(this.field(line, "start_time").value),
                end: secondOf(this.field(line, "end_time").value),
                nextDay: this.field(line, "ends_next_day").checked,
                active: this.field(line, "is_active").checked,
            };
        });
    }

    /** Make the form say these rows; gives them back with a line for each. */
    write(rows) {
        const used = new Set(rows.map((row) => row.id).filter(Boolean));
        const free = this.lines().filter((line) => !used.has(line));
        const written = rows.map((row) => (row.id ? row : { ...row, id: free.shift() || this.add() }));
        free.forEach((line) => this.remove(line));
        for (const row of [...written].sort((one, other) => one.day - other.day || one.start - other.start)) {
            this.fill(row);
            this.body.append(row.id);
        }
        return written;
    }

    fill(row) {
        row.id.hidden = false;
        this.field(row.id, "DELETE").checked = false;
        if (!spanOf(row)) {
            return; // half typed: it stays as the person left it
        }
        this.field(row.id, "day_of_week").value = String(row.day);
        for (const [name, second] of [["start_time", row.start], ["end_time", row.end]]) {
            const field = this.field(row.id, name);
            if (secondOf(field.value) !== second) {
                field.value = clockText(second);
            }
        }
        this.field(row.id, "ends_next_day").checked = row.nextDay;
        this.field(row.id, "is_active").checked = row.active;
    }

    add() {
        const number = Number(this.total.value);
        const line = this.template.content.firstElementChild.cloneNode(true);
        for (const field of line.querySelectorAll("[name], [id], [for]")) {
            for (const attribute of ["name", "id", "for"]) {
                const value = field.getAttribute(attribute);
                if (value) {
                    field.setAttribute(attribute, value.replace("__prefix__", number));
                }
            }
        }
        delete line.dataset.blank;
        line.hidden = false;
        this.total.value = String(number + 1);
        this.body.append(line);
        return line;
    }
}

// --- What would come of it -------------------------------------------------------------------------------------------

/** What would come of saving the week as it is painted: the server's own decision, asked about that week. */
class Foresight {
    constructor(section, address) {
        this.place = section.querySelector("[data-foreseen]");
        this.address = address;
    }

    /** Tell about this week soon; about none if it is null. */
    follow(text) {
        window.clearTimeout(this.timer);
        this.about = text;
        if (text === null) {
            this.place.textContent = "";
        } else {
            this.timer = window.setTimeout(() => this.ask(text), ASK_AFTER_MS);
        }
    }

    async ask(text) {
        const answer = await this.answer(text);
        if (this.about === text) {
            this.place.textContent = answer.text;
        }
        return answer;
    }

    async answer(text) {
        const address = `${this.address}?${new URLSearchParams({ "saved-as": text })}`;
        if (address.length > URL_LIMIT) {
            return { text: "The week has too many windows to ask what would come of it.", pauses: false };
        }
        try {
            const response = await fetch(address);
            if (!response.ok) {
                throw new Error(response.statusText);
            }
            return await response.json();
        } catch {
            return { text: "What would come of saving this could not be asked just now.", pauses: false };
        }
    }
}

// --- The grid --------------------------------------------------------------------------------------------------------

class Grid {
    constructor(section) {
        this.section = section;
        this.data = JSON.parse(section.dataset.week);
        this.editable = "editable" in section.dataset;
        this.form = this.editable ? new Rows(section) : null;
        this.rows = this.editable ? this.form.read() : this.given();
        this.saved = weekText(this.given());
        this.undo = [];
        this.step = HOUR;
        this.at = { day: 0, slot: 0 };
        this.chosen = null;
        this.root = section.querySelector(".week-grid");
        this.live = section.querySelector(".week-live");
        this.loaded = performance.now();
        this.build();
        this.listen();
        if (this.editable) {
            this.foresight = new Foresight(section, this.data.asks);
            this.foresight.follow(this.unsaved());
            this.askBeforePausing();
        }
        section.querySelector("[data-not-saved]").hidden = this.unsaved() === null;
        section.querySelector(".week-painter").hidden = false;
        section.querySelector("[data-quarters]").checked = false; // browsers remember
        window.setInterval(() => this.markNow(), 30_000);
    }

    given() {
        return this.data.rows.map((row) => ({ ...row, id: row, start: secondOf(row.start), end: secondOf(row.end) }));
    }

    /** The week as it is painted; null if that is the saved one. */
    unsaved() {
        const text = weekText(this.rows);
        return text === this.saved ? null : text;
    }

    get slots() {
        return DAY / this.step;
    }

    stretch(day, slot, last = slot) {
        return [day * DAY + slot * this.step, day * DAY + (last + 1) * this.step];
    }

    // --- Drawing

    build() {
        this.cells = [];
        this.root.replaceChildren();
        this.root.classList.toggle("has-quarters", this.step === QUARTER);
        this.root.style.setProperty("--slots", this.slots);
        this.root.setAttribute("aria-rowcount", 8);
        this.root.setAttribute("aria-colcount", this.slots + 1);
        if (this.editable) {
            this.root.setAttribute("aria-multiselectable", "true");
        } else {
            this.root.setAttribute("aria-readonly", "true");
        }
        this.root.append(this.hours());
        DAYS.forEach((name, day) => {
            const row = element("div", "week-row", { role: "row" });
            const head = element("div", "week-day", { role: "rowheader" });
            head.append(element("span", "week-long", {}, name), element("span", "week-short", { "aria-hidden": "true" }, name.slice(0, 2)));
            head.style.setProperty("--day", day);
            row.append(head);
            this.cells.push(Array.from({ length: this.slots }, (_, slot) => this.cell(day, slot)));
            row.append(...this.cells[day]);
            this.root.append(row);
        });
        this.at.slot = Math.min(this.at.slot, this.slots - 1);
        this.cells[this.at.day][this.at.slot].tabIndex = 0;
        this.draw();
        this.markNow();
    }

    hours() {
        const row = element("div", "week-row", { role: "row" });
        row.append(element("div", "week-corner", { role: "columnheader" }, ""));
        row.firstChild.append(element("span", "week-hidden", {}, "Day"));
        for (let slot = 0; slot < this.slots; slot += 1) {
            const onTheHour = (slot * this.step) % HOUR === 0;
            const head = element("div", "week-hour", { role: "columnheader" });
            const text = clockText(slot * this.step);
            head.append(element("span", onTheHour ? "" : "week-hidden", {}, this.step === HOUR ? text.slice(0, 2) : text));
            head.style.setProperty("--slot", slot);
            row.append(head);
        }
        return row;
    }

    cell(day, slot) {
        const cell = element("div", "week-cell", { role: "gridcell", tabindex: "-1" });
        cell.dataset.day = day;
        cell.dataset.slot = slot;
        cell.style.setProperty("--day", day);
        cell.style.setProperty("--slot", slot);
        const [start] = this.stretch(day, slot);
        cell.classList.toggle("is-hour", start % HOUR === 0);
        cell.classList.toggle("is-sixth", start % (6 * HOUR) === 0);
        const change = this.data.change;
        if (change && meets(this.stretch(day, slot), change, WEEK)) {
            cell.classList.add("is-changed");
            cell.append(element("span", "", { "aria-hidden": "true" }, change.skip ? "–" : "2×"));
        }
        return cell;
    }

    draw(rows = this.rows) {
        const union = unionOf(rows);
        this.cells.forEach((cells, day) => {
            const over = fromTheDayBefore(rows, day * DAY, (day + 1) * DAY);
            cells.forEach((cell, slot) => this.drawCell(cell, union, over, day, slot));
        });
        this.drawWords(rows);
    }

    drawCell(cell, union, over, day, slot) {
        const [start, end] = this.stretch(day, slot);
        const state = stateOf(union, start, end);
        const parts = openParts(union, start, end);
        const isOver = openParts(over, start, end).length > 0;
        const look = `${state}|${isOver}|${parts}`;
        if (cell.look !== look) {
            cell.look = look;
            cell.classList.toggle("is-on", state === "on");
            cell.classList.toggle("is-part", state === "part");
            cell.classList.toggle("is-over", isOver);
            cell.style.setProperty("--parts", state === "part" ? gradient(parts, start, end) : "");
        }
        const label = this.label(day, slot, state, parts, isOver);
        if (cell.getAttribute("aria-label") !== label) {
            cell.setAttribute("aria-label", label);
            cell.title = label;
        }
        const chosen = this.chosen && inside(this.chosen, day, slot);
        cell.classList.toggle("is-chosen", Boolean(chosen));
        if (this.editable) {
            cell.setAttribute("aria-selected", String(Boolean(chosen)));
        }
    }

    label(day, slot, state, parts, isOver) {
        const [start, end] = this.stretch(day, slot);
        const texts = parts.map(([from, to]) => `${clockText(from % DAY)}–${endText(to - day * DAY)}`);
        const words = [
            `${DAYS[day]} ${clockText(start % DAY)}–${endText(end - day * DAY)}`,
            state === "part" ? `on ${texts.join(" and ")}` : state,
        ];
        if (isOver) {
            words.push(`from ${DAYS[(day + 6) % 7]}’s window`);
        }
        if (this.data.change && meets([start, end], this.data.change, WEEK)) {
            words.push(this.data.change.word);
        }
        if (this.nowCell && this.nowCell.day === day && this.nowCell.slot === slot) {
            words.push("now");
        }
        return words.join(", ");
    }

    drawWords(rows) {
        const inactive = rows.filter((row) => !row.active).length;
        const unsound = rows.filter((row) => !spanOf(row)).length;
        const more = [
            inactive ? `${count(inactive, "window")} switched off, to be found under “Edit as rows”.` : "",
            unsound ? `${count(unsound, "row")} below cannot be read yet.` : "",
        ];
        this.section.querySelector("[data-summary]").textContent = inWords(rows);
        this.section.querySelector("[data-hours]").textContent = [`${openHours(rows)} h a week.`, ...more].join(" ").trim();
    }

    markNow() {
        const elapsed = Math.floor((performance.now() - this.loaded) / 1000);
        const second = (this.data.local + elapsed) % WEEK;
        const now = { day: Math.floor(second / DAY), slot: Math.floor((second % DAY) / this.step) };
        this.root.querySelectorAll(".is-now").forEach((cell) => cell.classList.remove("is-now"));
        this.cells[now.day][now.slot].classList.add("is-now");
        this.nowCell = now;
        this.draw();
    }

    // --- Changing

    say(text) {
        this.live.textContent = text;
    }

    change(rows, what) {
        if (rows === this.rows) {
            this.say(`${what}: nothing changes.`);
            return;
        }
        this.undo.push(this.rows);
        this.undo.splice(0, this.undo.length - UNDO_STEPS);
        this.take(rows);
        this.say(`${what}. ${inWords(this.rows)}`);
    }

    take(rows) {
        this.rows = this.form.write(rows);
        this.draw();
        this.noteChange();
    }

    noteChange() {
        this.section.querySelector("[data-undo]").disabled = !this.undo.length;
        this.section.querySelector("[data-not-saved]").hidden = this.unsaved() === null;
        this.foresight.follow(this.unsaved());
        this.form.total.dispatchEvent(new Event("input", { bubbles: true }));
    }

    back() {
        const rows = this.undo.pop();
        if (rows) {
            this.take(rows);
            this.say(`Undone. ${inWords(this.rows)}`);
        } else {
            this.say("There is nothing to undo.");
        }
    }

    /** What the rows become when the block is painted; `open` is what it becomes. */
    painted(block, open) {
        const { days, slots } = ordered(block);
        const stretches = days.map((day) => this.stretch(day, slots[0], slots[1]));
        return paint(this.rows, stretches, open);
    }

    isOn({ day, slot }) {
        return stateOf(unionOf(this.rows), ...this.stretch(day, slot)) === "on";
    }

    isAllOn(block) {
        const { days, slots } = ordered(block);
        const union = unionOf(this.rows);
        return days.every((day) => stateOf(union, ...this.stretch(day, slots[0], slots[1])) === "on");
    }

    paintBlock(block, open) {
        const rows = this.painted(block, open);
        const before = unionOf(this.rows).join();
        this.change(unionOf(rows).join() === before && this.rows.length ? this.rows : rows, `${this.blockInWords(block)} ${open ? "on" : "off"}`);
    }

    blockInWords(block) {
        const { days, slots } = ordered(block);
        const [start, end] = [slots[0] * this.step, (slots[1] + 1) * this.step];
        const names = days.length > 1 ? `${DAYS[days[0]]} to ${DAYS[days[days.length - 1]]}` : DAYS[days[0]];
        return `${names} ${clockText(start)}–${endText(end)}`;
    }

    // --- Pointer and keys

    listen() {
        this.root.addEventListener("keydown", (event) => this.onKey(event));
        this.root.addEventListener("focusin", (event) => this.onFocus(event));
        this.section.querySelector("[data-quarters]").addEventListener("change", (event) => {
            this.zoom(event.target.checked ? QUARTER : HOUR);
        });
        if (!this.editable) {
            return;
        }
        this.root.addEventListener("pointerdown", (event) => this.onDown(event));
        this.root.addEventListener("pointermove", (event) => this.onMove(event));
        this.root.addEventListener("pointerup", (event) => this.onUp(event));
        this.root.addEventListener("pointercancel", () => this.letGo());
        for (const button of this.section.querySelectorAll("[data-preset]")) {
            button.addEventListener("click", () => {
                this.change(preset(this.rows, button.dataset.preset), button.textContent.trim());
            });
        }
        this.section.querySelector("[data-undo]").addEventListener("click", () => this.back());
        this.listenToDay();
        this.listenToCopy();
        this.listenToRows();
    }

    // --- Saving

    /** A week that would pause what runs is saved once the person has said yes to that. */
    askBeforePausing() {
        const form = this.section.closest("form");
        const dialog = this.section.querySelector("dialog");
        let isAnswered = false;
        for (const button of dialog.querySelectorAll("button")) {
            button.addEventListener("click", () => dialog.close(button.value));
        }
        form.addEventListener("submit", async (event) => {
            const text = this.unsaved();
            if (isAnswered || text === null || event.submitter?.name === "change_confirmed") {
                return; // that button says yes to all that is on the page
            }
            event.preventDefault();
            event.stopImmediatePropagation();
            const found = await this.foresight.ask(text);
            if (found.pauses && !(await this.saysYes(dialog, found.text))) {
                return;
            }
            isAnswered = true;
            form.requestSubmit(event.submitter);
            isAnswered = false;
        });
    }

    saysYes(dialog, text) {
        dialog.querySelector("[data-consequence]").textContent = text;
        dialog.returnValue = "";
        dialog.showModal();
        return new Promise((resolve) => {
            dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
        });
    }

    zoom(step) {
        this.at.slot = Math.floor((this.at.slot * this.step) / step);
        this.step = step;
        this.chosen = null;
        this.build();
    }

    cellAt(event) {
        const cell = document.elementFromPoint(event.clientX, event.clientY)?.closest(".week-cell");
        return cell && this.root.contains(cell) ? place(cell) : null;
    }

    onDown(event) {
        const cell = event.target.closest(".week-cell");
        if (!cell || event.button !== 0) {
            return;
        }
        event.preventDefault();
        const from = place(cell);
        this.chosen = null;
        this.drag = { from, to: from, open: !this.isOn(from), pointer: event.pointerId };
        this.root.setPointerCapture(event.pointerId);
        this.draw(this.painted(this.drag, this.drag.open));
    }

    onMove(event) {
        const to = this.drag && this.drag.pointer === event.pointerId ? this.cellAt(event) : null;
        if (to && (to.day !== this.drag.to.day || to.slot !== this.drag.to.slot)) {
            this.drag.to = to;
            this.draw(this.painted(this.drag, this.drag.open));
        }
    }

    onUp(event) {
        if (this.drag && this.drag.pointer === event.pointerId) {
            const drag = this.drag;
            this.drag = null;
            this.paintBlock(drag, drag.open);
            this.draw();
            this.focus(drag.to, true);
        }
    }

    letGo() {
        this.drag = null;
        this.draw();
    }

    onFocus(event) {
        const cell = event.target.closest(".week-cell");
        if (cell) {
            this.cells[this.at.day][this.at.slot].tabIndex = -1;
            this.at = place(cell);
            cell.tabIndex = 0;
        }
    }

    focus(to, quietly = false) {
        this.cells[to.day][to.slot].focus({ preventScroll: quietly });
    }

    onKey(event) {
        const move = this.moveOf(event);
        if (move) {
            event.preventDefault();
            this.go(move, event.shiftKey && this.editable);
        } else if (!this.editable) {
            return;
        } else if (event.key === " " || event.key === "Enter") {
            event.preventDefault();
            const block = this.chosen || { from: this.at, to: this.at };
            this.paintBlock(block, !this.isAllOn(block));
            this.chosen = null;
            this.draw();
        } else if (event.key === "Escape") {
            if (this.drag || this.chosen) {
                this.drag = this.chosen = null;
                this.draw();
                this.say("Nothing chosen.");
            }
        } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
            event.preventDefault();
            this.back();
        }
    }

    /** Where a key leads; on a phone, where days stand side by side, arrows still go where they point. */
    moveOf(event) {
        const { day, slot } = this.at;
        const along = PHONE.matches ? { ArrowDown: 1, ArrowUp: -1 } : { ArrowRight: 1, ArrowLeft: -1 };
        const across = PHONE.matches ? { ArrowRight: 1, ArrowLeft: -1 } : { ArrowDown: 1, ArrowUp: -1 };
        if (event.key in along) {
            return { day, slot: slot + along[event.key] };
        }
        if (event.key in across) {
            return { day: day + across[event.key], slot };
        }
        if (event.key === "Home") {
            return { day: event.ctrlKey ? 0 : day, slot: 0 };
        }
        if (event.key === "End") {
            return { day: event.ctrlKey ? 6 : day, slot: this.slots - 1 };
        }
        return null;
    }

    go({ day, slot }, extend) {
        const to = { day: Math.min(Math.max(day, 0), 6), slot: Math.min(Math.max(slot, 0), this.slots - 1) };
        const from = extend ? (this.chosen || { from: this.at }).from : null;
        this.chosen = from ? { from, to } : null;
        this.focus(to);
        this.draw();
        if (this.chosen) {
            this.say(`${this.blockInWords(this.chosen)} chosen; Space paints it ${this.isAllOn(this.chosen) ? "off" : "on"}.`);
        }
    }

    // --- One day, copying, and the rows by hand

    listenToDay() {
        const day = this.section.querySelector("[data-day-choice]");
        const alone = this.section.querySelector("[data-alone]");
        day.append(...DAYS.map((name, number) => element("option", "", { value: number }, name)));
        for (const button of this.section.querySelectorAll("[data-day-preset]")) {
            button.addEventListener("click", () => {
                const rows = dayPreset(this.rows, Number(day.value), button.dataset.dayPreset, alone.checked);
                const rest = alone.checked ? ", all other days closed" : "";
                this.change(rows, `${DAYS[day.value]} ${button.textContent.trim().toLowerCase()}${rest}`);
            });
        }
    }

    listenToCopy() {
        const from = this.section.querySelector("[data-copy-from]");
        const to = this.section.querySelector("[data-copy-to]");
        DAYS.forEach((name, day) => {
            from.append(element("option", "", { value: day }, name));
            const box = element("input", "", { type: "checkbox", value: day, "aria-label": name });
            const label = element("label", "", {});
            label.append(box, element("span", "", {}, name.slice(0, 3)));
            to.append(label);
        });
        this.section.querySelector("[data-copy]").addEventListener("click", () => {
            const boxes = [...to.querySelectorAll("input:checked")];
            if (!boxes.length) {
                this.say("Tick the days to copy to.");
                return;
            }
            const days = boxes.map((box) => Number(box.value));
            const names = days.map((day) => DAYS[day]).join(", ");
            this.change(copyDay(this.rows, Number(from.value), days), `${DAYS[from.value]} copied to ${names}`);
            boxes.forEach((box) => { box.checked = false; });
        });
    }

    listenToRows() {
        const details = this.section.querySelector(".week-rows");
        details.open = "errors" in details.dataset;
        details.addEventListener("change", () => {
            this.undo = [];
            this.rows = this.form.read();
            this.draw();
            this.noteChange();
        });
        const add = this.section.querySelector("[data-add]");
        add.hidden = false;
        add.addEventListener("click", () => {
            const line = this.form.add();
            this.rows = this.form.read();
            this.draw();
            this.form.field(line, "day_of_week").focus();
        });
    }
}

// --- Small things ----------------------------------------------------------------------------------------------------

function element(tag, className, attributes = {}, text = null) {
    const made = document.createElement(tag);
    if (className) {
        made.className = className;
    }
    for (const [name, value] of Object.entries(attributes)) {
        made.setAttribute(name, value);
    }
    if (text !== null) {
        made.textContent = text;
    }
    return made;
}

function place(cell) {
    return { day: Number(cell.dataset.day), slot: Number(cell.dataset.slot) };
}

function ordered({ from, to }) {
    const first = Math.min(from.day, to.day);
    const days = Array.from({ length: Math.abs(from.day - to.day) + 1 }, (_, number) => first + number);
    return { days, slots: [Math.min(from.slot, to.slot), Math.max(from.slot, to.slot)] };
}

function inside(block, day, slot) {
    const { days, slots } = ordered(block);
    return days.includes(day) && slot >= slots[0] && slot <= slots[1];
}

/** Whether a stretch meets another one of the week, which may run over its end. */
function meets([start, end], other, week) {
    return [0, -week].some((shift) => other.start + shift < end && other.end + shift > start);
}

function count(number, word) {
    return `${number} ${word}${number === 1 ? "" : "s"}`;
}

/** The open parts of a cell, drawn where they are. */
function gradient(parts, start, end) {
    const share = (second) => `${(((second - start) / (end - start)) * 100).toFixed(2)}%`;
    const stops = parts.flatMap(([from, to]) => [
        `transparent ${share(from)}`, `var(--week-on) ${share(from)}`, `var(--week-on) ${share(to)}`, `transparent ${share(to)}`,
    ]);
    return stops.join(", ");
}

// --- Start -----------------------------------------------------------------------------------------------------------

function warnOfUnsaved() {
    const form = document.querySelector("form#campaign_form");
    if (!form) {
        return;
    }
    let isChanged = "unsaved" in (form.querySelector(".week")?.dataset ?? {});
    for (const kind of ["input", "change"]) {
        // What has no name, such as the choice of a day to copy, is not saved.
        form.addEventListener(kind, (event) => { isChanged ||= Boolean(event.target.name); });
    }
    form.addEventListener("submit", () => { isChanged = false; });
    window.addEventListener("beforeunload", (event) => {
        if (isChanged) {
            event.preventDefault();
        }
    });
}

for (const section of document.querySelectorAll(".week[data-week]")) {
    section.grid = new Grid(section);
}
warnOfUnsaved();
