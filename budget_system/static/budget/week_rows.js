// The rows of a weekly schedule and the stretches of the week that they open: reading, painting, copying, in words.
// Pure: no page, no clock, nothing is changed in place. scheduling/windows.py has the same meaning of a row, and a test
// compares the two.
//
// A row is {id, day, start, end, nextDay, active}: day 0 is Monday, start and end are seconds of a day as a person wrote
// them. `id` is whatever the page knows the row by; a row that painting makes anew has null.

export const MINUTE = 60;
export const HOUR = 3600;
export const QUARTER = 900;
export const DAY = 86400;
export const WEEK = 7 * DAY;
export const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

// People type the last minute or second of a day when they mean its end.
const END_OF_DAY = [0, DAY - MINUTE, DAY - 1];

/** The second of the day that “09:00”, “9:00” or “09:00:30” says; null for anything else. */
export function secondOf(text) {
    const found = /^([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?$/.exec(text.trim());
    return found ? Number(found[1]) * HOUR + Number(found[2]) * MINUTE + Number(found[3] || 0) : null;
}

/** “09:00”, or “09:00:30” where there are seconds; the end of the day is “00:00”. */
export function clockText(second) {
    const of = (value) => String(value).padStart(2, "0");
    const [hours, minutes, seconds] = [Math.floor(second / HOUR) % 24, Math.floor(second / MINUTE) % 60, second % 60];
    return `${of(hours)}:${of(minutes)}${seconds ? `:${of(seconds)}` : ""}`;
}

/** Like clockText, for where something ends: the end of the day is “24:00”. */
export function endText(second) {
    return second && second % DAY === 0 ? "24:00" : clockText(second % DAY);
}

/** [start, end) in seconds since Monday 00:00; the end may lie in the next week. Null for what cannot be meant. */
export function spanOf({ day, start, end, nextDay }) {
    if (!(day >= 0 && day <= 6) || start === null || end === null) {
        return null;
    }
    if (!nextDay && !END_OF_DAY.includes(end) && end <= start) {
        return null;
    }
    const midnight = day * DAY;
    if (end === 0) {
        return [midnight + start, midnight + DAY];
    }
    return [midnight + start, midnight + (END_OF_DAY.includes(end) ? DAY : end) + (nextDay ? DAY : 0)];
}

/** What of the week is open, as sorted stretches that do not touch. No rows at all: around the clock. */
export function unionOf(rows) {
    if (!rows.length) {
        return [[0, WEEK]];
    }
    const parts = [];
    for (const row of rows) {
        const span = row.active ? spanOf(row) : null;
        if (span) {
            parts.push([span[0], Math.min(span[1], WEEK)]);
            if (span[1] > WEEK) {
                parts.push([0, span[1] - WEEK]);
            }
        }
    }
    return merged(parts);
}

function merged(parts) {
    const union = [];
    for (const [start, end] of parts.sort((one, other) => one[0] - other[0] || one[1] - other[1])) {
        const last = union[union.length - 1];
        if (last && start <= last[1]) {
            last[1] = Math.max(last[1], end);
        } else {
            union.push([start, end]);
        }
    }
    return union;
}

/** The stored form, as scheduling.windows.week_to_text writes it. */
export function weekText(rows) {
    return rows.length ? unionOf(rows).map(([start, end]) => `${start}-${end}`).join(",") || "-" : "";
}

/** What of [start, end) is open, as parts of it. */
export function openParts(union, start, end) {
    return union
        .filter(([from, to]) => from < end && to > start)
        .map(([from, to]) => [Math.max(from, start), Math.min(to, end)]);
}

/** “on”, “off” or “part”. */
export function stateOf(union, start, end) {
    const parts = openParts(union, start, end);
    if (!parts.length) {
        return "off";
    }
    return parts.length === 1 && parts[0][0] === start && parts[0][1] === end ? "on" : "part";
}

/** The stretches of [start, end) that are open by a window of another day than that of `start`: those that run over. */
export function fromTheDayBefore(rows, start, end) {
    const day = Math.floor(start / DAY);
    const others = rows.filter((row) => row.active && row.day !== day && spanOf(row));
    return others.length ? openParts(unionOf(others), start, end) : [];
}

// --- Painting --------------------------------------------------------------------------------------------------------

/**
 * The rows with the stretches [[start, end), …] open or shut, each within one day. Rows that this does not concern are
 * the same objects. A row that has to change is cut or grown and keeps its id; a window that runs into the next day goes
 * on belonging to the day on which it starts. Inactive rows stay.
 */
export function paint(rows, stretches, open) {
    let painted = rows.length ? rows : wholeDays();
    for (const stretch of stretches) {
        painted = open ? opened(painted, stretch) : shut(painted, stretch);
    }
    return kept(painted, rows);
}

/** Seven whole days: what no rows at all stand for, ready to be edited. */
export function wholeDays() {
    return DAYS.map((_, day) => newRow(day, 0, 0));
}

function newRow(day, start, end, nextDay = false) {
    return { id: null, day, start, end, nextDay, active: true };
}

/** No rows at all would be around the clock: when nothing is left, one row stays, inactive. */
function kept(painted, before) {
    const real = painted.filter((row) => !row.placeholder);
    if (real.some((row) => row.active)) {
        return real;
    }
    if (painted.length) {
        return painted;
    }
    return [{ ...(before[0] || newRow(0, 0, 0)), active: false, placeholder: true }];
}

function opened(rows, [from, to]) {
    if (stateOf(unionOf(rows), from, to) === "on") {
        return rows;
    }
    const day = Math.floor(from / DAY);
    const near = rows.filter((row) => row.active && touching(row, from, to)).sort((one, other) => rank(one) - rank(other));
    function rank(row) {
        return row.day === day ? 0 : 1;
    }
    let grown = [from, to];
    const taken = [];
    for (const row of near) {
        const [start, end] = touching(row, from, to);
        const both = [Math.min(start, grown[0]), Math.max(end, grown[1])];
        if (rowsOf(both[0], both[1]).length === 1) {
            grown = both;
            taken.push(row);
        }
    }
    const [row] = rowsOf(...grown);
    return replaced(rows, taken, [row]);
}

/**
 * The row's span, if it touches the stretch and is of its day or runs over into it, shifted by a week where they meet
 * only over the end of the week.
 */
function touching(row, from, to) {
    const span = spanOf(row);
    const isOfTheDay = row.day === Math.floor(from / DAY);
    if (!span || !(isOfTheDay || span[1] > (row.day + 1) * DAY)) {
        return null;
    }
    return [0, -WEEK].map((shift) => span.map((second) => second + shift)).find(([start, end]) => start <= to && end >= from);
}

function shut(rows, [from, to]) {
    let result = rows;
    for (const row of rows) {
        const span = row.active ? spanOf(row) : null;
        if (span) {
            const rest = without(without([span], from, to), from + WEEK, to + WEEK);
            if (rest.length !== 1 || rest[0][0] !== span[0] || rest[0][1] !== span[1]) {
                result = replaced(result, [row], rest.flatMap(([start, end]) => rowsOf(start, end)));
            }
        }
    }
    return result;
}

function without(spans, from, to) {
    return spans
        .flatMap(([start, end]) => [[start, Math.min(end, from)], [Math.max(start, to), end]])
        .filter(([start, end]) => start < end);
}

/** The rows that say [start, end): one, if a window can say it, else one for each day. */
function rowsOf(start, end) {
    const day = Math.floor(start / DAY);
    const midnight = day * DAY;
    const weekday = ((day % 7) + 7) % 7;
    if (end <= midnight + DAY) {
        return [newRow(weekday, start - midnight, (end - midnight) % DAY)];
    }
    const next = end - midnight - DAY;
    if (next < DAY && !END_OF_DAY.includes(next)) {
        return [newRow(weekday, start - midnight, next, true)];
    }
    return [newRow(weekday, start - midnight, 0), ...rowsOf(midnight + DAY, end)];
}

/** `wanted` in the place of `gone`: the first ones take over the ids, and what is equal stays the same object. */
function replaced(rows, gone, wanted) {
    const equal = new Map();
    const left = [...gone];
    for (const row of wanted) {
        const twin = left.findIndex((old) => isEqual(old, row));
        if (twin >= 0) {
            equal.set(row, left.splice(twin, 1)[0]);
        }
    }
    const made = wanted.map((row) => {
        const reused = equal.has(row) ? null : left.shift();
        return equal.get(row) || (reused ? { ...row, id: reused.id } : row);
    });
    return [...rows.filter((row) => !gone.includes(row)), ...made];
}

function isEqual(one, other) {
    return ["day", "start", "end", "nextDay", "active"].every((field) => one[field] === other[field]);
}

// --- Copying, presets ------------------------------------------------------------------------------------------------

/** The windows that begin on the day `from`, also on the days `to`, in place of those that began there. */
export function copyDay(rows, from, to) {
    const all = rows.length ? rows : wholeDays();
    const source = all.filter((row) => row.active && row.day === from);
    const targets = to.filter((day) => day !== from);
    let result = all;
    for (const day of targets) {
        const gone = result.filter((row) => row.active && row.day === day);
        result = replaced(result, gone, source.map((row) => newRow(day, row.start, row.end, row.nextDay)));
    }
    return targets.length ? kept(result, all) : rows;
}

const WORKDAYS = [0, 1, 2, 3, 4];
const EVERY_DAY = [...WORKDAYS, 5, 6];

/** One day as the preset has it, by the clock; the other days shut, if it is `alone`. */
export function dayPreset(rows, day, name, alone) {
    const [from, to] = { all: [0, DAY], business: [9 * HOUR, 17 * HOUR], closed: [0, 0] }[name];
    const days = alone ? EVERY_DAY : [day];
    const shutRows = paint(rows, days.map((one) => [one * DAY, (one + 1) * DAY]), false);
    return to ? paint(shutRows, [[day * DAY + from, day * DAY + to]], true) : shutRows;
}

/** All active windows as the preset has them; “weekends” only shuts Saturday and Sunday. */
export function preset(rows, name) {
    if (name === "weekends") {
        return paint(rows, [[5 * DAY, 6 * DAY], [6 * DAY, WEEK]], false);
    }
    const wanted = {
        always: () => wholeDays(),
        business: () => WORKDAYS.map((day) => newRow(day, 9 * HOUR, 17 * HOUR)),
        nights: () => EVERY_DAY.map((day) => newRow(day, 22 * HOUR, 6 * HOUR, true)),
        clear: () => [],
    }[name]();
    return kept(replaced(rows, rows.filter((row) => row.active), wanted), rows);
}

// --- Words -----------------------------------------------------------------------------------------------------------

/** “Mon–Fri 09:00–17:00 · Sat 10:00–14:00 · Sun closed”. */
export function inWords(rows) {
    if (!rows.length) {
        return "No rows: it runs around the clock.";
    }
    const union = unionOf(rows);
    if (!union.length) {
        return "Nothing is open: saved like this, the campaign does not run.";
    }
    const texts = DAYS.map((_, day) => dayInWords(rows, day));
    const lines = [];
    for (let day = 0; day < 7; ) {
        let last = day;
        while (last < 6 && texts[last + 1] === texts[day]) {
            last += 1;
        }
        const name = DAYS[day].slice(0, 3);
        lines.push(`${last > day ? `${name}–${DAYS[last].slice(0, 3)}` : name} ${texts[day]}`);
        day = last + 1;
    }
    return union.length === 1 && union[0][1] - union[0][0] === WEEK ? "Around the clock." : `${lines.join(" · ")}.`;
}

/** The windows that begin on this day: “09:00–12:00, 22:00–06:00 next day”, “all day” or “closed”. */
function dayInWords(rows, day) {
    const spans = merged(rows.filter((row) => row.active && row.day === day).map(spanOf).filter(Boolean));
    const midnight = day * DAY;
    const texts = spans.map(([start, end]) => {
        const over = end > midnight + DAY;
        if (start === midnight && end === midnight + DAY) {
            return "all day";
        }
        const until = over ? `${endText(end - midnight - DAY)} next day` : endText(end - midnight);
        return `${clockText(start - midnight)}–${until}`;
    });
    return texts.join(", ") || "closed";
}

/** How long it is open in a week whose days have 24 hours. */
export function openHours(rows) {
    const seconds = unionOf(rows).reduce((sum, [start, end]) => sum + end - start, 0);
    return Math.round(seconds / 36) / 100;
}
