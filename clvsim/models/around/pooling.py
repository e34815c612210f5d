"""Groups of customers with parameters of their own, pooled as far as the data do not tell them apart; and covariates.

A wrapper around any retention model: it moves buying by u and attrition by v, each on its scale in the model's
`SCALES`, with u and v of each level

    u = offset[group] + features . effect,   offset ~ Normal(0, sd), summing to 0,   sd ~ HalfNormal,
                                             effect ~ StudentT(4, 0, scale),

and leaves all formulas to the model, evaluated level by level. Fader & Hardie 2007, "Incorporating time-invariant
covariates into the Pareto/NBD and BG/NBD models", brucehardie.com/notes/019. docs/models/segments.md.

Not modelled: groups that differ in the shape of their customers' spread (r, s, a + b, c are shared), and groups whose
effects on buying and on attrition go together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from clvsim.models.around.levels import BY_PLAN, Design, Group, Poolable, Scale, make_design
from clvsim.models.around.merging import BY_CUSTOMER, OF_THE_MODEL, merge, merge_laws, with_column
from clvsim.models.around.plans import by_plan, plans_of
from clvsim.models.around.several import Several, merged_laws
from clvsim.models.around.wrapper import Wrapper, with_pauses
from clvsim.models.domain import LOG, NOT_NEGATIVE, Domain
from clvsim.models.inputs import containers
from clvsim.models.laws import LifeLaw, Params, rows_of
from clvsim.models.protocol import RetentionModel
from clvsim.types import CustomerSummary

_FREEDOM = 4  # of the effects' prior: most are shrunk, a large one is left alone
_KNOWN = {"purchase": 2.0, "attrition": 8.0}  # variance of a contrast behind which one telling customer stands, about
_GROUPS_SHOWN = 8
_NEW_GROUP = 20110228  # seed of the group that nobody has seen yet: a draw of its own whatever the sampler did


class PooledRows(NamedTuple):
    """Rows of the model underneath, whose `level` counts `levels`, the codes of a design; `count` is the rows' own."""

    rows: Any
    levels: np.ndarray
    count: np.ndarray


class PooledInputs(NamedTuple):
    """What the density of `Pooled` computes with: the inputs of the model underneath; of the groups, where there are
    any, the contrasts' `basis`, how many `customers` tell them (see `Pooled.contrasts`), and the `group` of each level,
    (level,); covariates of levels on each process, where there are any, (level, feature)."""

    section: Any
    basis: np.ndarray | None
    customers: np.ndarray | None
    group: np.ndarray | None
    purchase: np.ndarray | None
    attrition: np.ndarray | None


def configured(model: RetentionModel, summary: CustomerSummary, by_clock: RetentionModel | None = None) -> Any:
    """The model itself, or with levels as its section asks for and the summary has them; errors as `make_design`.

    `by_clock` is the section with its season, where it has one.
    """
    section = model if by_clock is None else by_clock
    if getattr(model, "renewal", "") == BY_PLAN:
        return by_plan(model, summary)
    if not isinstance(model, Poolable) or not model.levelled:
        return with_pauses(section)
    return Pooled(section, make_design(model, summary))


def restored(model: RetentionModel, design: Mapping[str, Any] | None) -> RetentionModel:
    """The model of a posterior that kept its design."""
    pooled: Any = Pooled(model, Design.model_validate(design)) if design else model
    return pooled


def from_channel(model: RetentionModel, channel: str) -> RetentionModel:
    """What is known of newcomers of one acquisition channel: its own level if the model pools over channels."""
    if isinstance(model, Several):
        several: Any = model.from_each(lambda one: from_channel(one, channel))
        return several
    if not isinstance(model, Pooled):
        return model
    group = model.design.group
    if not group or group.by != "channel" or channel not in group.names:
        return model
    return replace(model, newcomers=group.names.index(channel))


def at_birth(model: RetentionModel, summary: CustomerSummary) -> tuple[Callable[[Params, float], LifeLaw], np.ndarray]:
    """What was known of customers right after their first order, of params and days per unit, (draw, column); and the
    column of each customer."""
    if isinstance(model, Several):
        return _several_at_birth(model, summary)
    if plans := plans_of(model):
        return model.newcomer_laws, plans.codes(summary)
    if not isinstance(model, Pooled):
        return model.newcomer_laws, np.zeros(len(summary.customers), np.int64)
    pooled: Pooled = model
    levels, column = np.unique(pooled.design.level(summary), return_inverse=True)

    def laws(params: Params, days_per_unit: float) -> LifeLaw:
        parts = [pooled.section.newcomer_laws(pooled.parameters(params, level), days_per_unit) for level in levels]
        return merge_laws(parts, [np.array([i]) for i in range(levels.size)], levels.size)

    return laws, column


def _several_at_birth(several: Several, summary: CustomerSummary) -> tuple[Callable[..., LifeLaw], np.ndarray]:
    """The same where models share the draws: all tell the same levels apart."""
    at_births = {one.kind: at_birth(one, summary) for one in several.models}

    def laws(params: Params, days_per_unit: float) -> LifeLaw:
        return merged_laws([
            (s.rows, at_births[s.model.kind][0](s.params, days_per_unit)) for s in several.shares(params)
        ])  # fmt: skip

    return laws, next(iter(at_births.values()))[1]


def in_words(model: RetentionModel, params: Params) -> tuple[Params, tuple[tuple[str, str], ...]]:
    """Parameters that belong to no level, and what is to be said of levels: label, value."""
    return (model.own(params), model.facts(params)) if isinstance(model, Pooled) else (params, ())


def _each_level(name: str) -> Callable[..., Any]:
    """A method of the model underneath, of (params, histories, ...), for customers of all levels."""

    def method(self: "Pooled", params: Params, histories: Any, *rest: Any) -> Any:
        function = getattr(self.section, name)
        return self.by_level(lambda own, customers: function(own, customers, *rest), params, histories)

    return method


def _mean_of_newcomers(name: str) -> Callable[..., np.ndarray]:
    """A method of the model underneath, of (params, ...), averaged over the levels newcomers come from."""

    def method(self: "Pooled", params: Params, *rest: Any) -> np.ndarray:
        levels, shares = self.levels_of_newcomers()
        function = getattr(self.section, name)
        return sum(s * function(self.parameters(params, level), *rest) for level, s in zip(levels, shares, strict=True))

    return method


@dataclass(frozen=True)
class Pooled(Wrapper):
    """A retention model whose customers' order rate and attrition depend on their level.

    `params` are the model's own, of the average group at average covariates, and `names`'s effects, each (draw,).
    `newcomers` is the group they come from where that is known.
    """

    design: Design
    newcomers: int | None = None

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        return self.section.warnings(summary, self.parameters(params, self.design.levels[0]))

    def own(self, params: Params) -> dict[str, np.ndarray]:
        """The model's own parameters: those of the average group at average covariates."""
        effects = {name for names in self.names().values() for name in names}
        effects |= {f"sd_{scale.name}" for scale in self.scales.values()}
        return {name: values for name, values in params.items() if name not in effects}

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]:
        return {**self.section.model_dump(mode=mode), "design": self.design.model_dump(mode=mode)}

    def model_dump_json(self) -> str:
        return f"[{self.section.model_dump_json()}, {self.design.model_dump_json()}]"

    # --- fit ----------------------------------------------------------------------------------------------------------

    def histories(self, summary: CustomerSummary) -> Any:
        """The model's own, and the code of each customer's level."""
        plain = self.section.histories(summary)
        return with_column(type(plain), "level")(*plain, self.design.level(summary).astype(np.float64))

    def sufficient(self, summary: CustomerSummary) -> PooledRows:
        levels, level_of = np.unique(self.design.level(summary), return_inverse=True)
        rows = self.section.sufficient(summary, level_of)
        return PooledRows(rows, levels, rows.count)

    def build(self, rows: PooledRows) -> Any:
        """The PyMC model. Free variables: the model's own, and for each process `sd` and `contrast` of the groups and
        `effect` of the covariates.

        Offsets add up to 0, so that the model's own rate is that of the average group, and there is no direction in
        which only the priors could tell them apart. They are drawn by contrasts between groups, in units of `spread`:
        of sd where that is smaller than what customers tell (non-centred), of what they tell where sd is larger
        (centred). In these units the posterior's width is the same at every sd; the prior is the same in all.
        """
        import pymc as pm
        import pytensor.tensor as pt

        def moves(process: str, inputs: PooledInputs) -> Any:
            if process not in self.scales:
                return 1.0
            total: Any = 0.0
            if self.design.group:
                sd = pm.HalfNormal(f"{process}_sd", self.section.pool_sd)
                unit = spread(inputs.customers, process, sd)
                contrast = pm.Normal(f"{process}_contrast", 0.0, sd / unit, shape=self.design.groups - 1) * unit
                total = pt.dot(inputs.basis, contrast)[inputs.group]
            if self.design.covariates_of(process):
                features, prior = getattr(inputs, process), self.section.covariates.sd
                shape = len(self.design.feature_names(self.design.covariates_of(process)))
                effect = pm.StudentT(f"{process}_effect", nu=_FREEDOM, mu=0.0, sigma=prior, shape=shape)
                total = total + pt.dot(features, effect)
            return pt.exp(total)

        with pm.Model() as model:
            inputs = containers(pm, self.inputs(rows))
            params = self.section.graph(pm, inputs.section)
            moved = self.section.apply_factors(params, moves("purchase", inputs), moves("attrition", inputs))
            pm.Potential("log_likelihood", self.section.log_density(moved, inputs.section))
        return model

    def inputs(self, rows: PooledRows) -> PooledInputs:
        features = [
            self.design.features(rows.levels, covariates) if covariates else None
            for covariates in map(self.design.covariates_of, ("purchase", "attrition"))
        ]
        grouped = (*self.contrasts(rows), self.design.parts(rows.levels)[0]) if self.design.group else (None,) * 3
        return PooledInputs(self.section.inputs(rows.rows), *grouped, *features)

    def contrasts(self, rows: PooledRows) -> tuple[np.ndarray, np.ndarray]:
        """An orthonormal basis of offsets that sum to 0, (group, contrast), and how many informative customers each
        contrast rests on: the k-th compares a group with all groups that have more of them.
        """
        by_level = np.bincount(rows.rows.level, rows.count * self.section.informative(rows.rows), rows.levels.size)
        size = self.design.groups
        by_group = np.bincount(self.design.parts(rows.levels)[0], by_level, size)[:size]
        order = np.argsort(-by_group, kind="stable")
        basis = np.zeros((size, max(size - 1, 0)))
        for k in range(1, size):
            basis[order[:k], k - 1], basis[order[k], k - 1] = -1 / np.sqrt(k * (k + 1)), np.sqrt(k / (k + 1))
        return basis, by_group[order][1:]

    def names(self) -> dict[str, list[str]]:
        """Names of the effects among the parameters, of each process: its groups', then its covariates'."""
        group = self.design.group
        return {
            process: [
                *([_named(scale.name, group, name) for name in (*group.names, None)] if group else []),
                *(f"{scale.name}[{f}]" for f in self.design.feature_names(self.design.covariates_of(process))),
            ]
            for process, scale in self.scales.items()
        }

    @property
    def beside(self) -> Mapping[str, Domain]:
        effects = dict.fromkeys((name for names in self.names().values() for name in names), LOG)
        sds = [f"sd_{scale.name}" for scale in self.scales.values()] if self.design.groups else []
        return {**effects, **dict.fromkeys(sds, NOT_NEGATIVE.optional)}

    @property
    def scales(self) -> Mapping[str, Scale]:
        """What effects of each process are added to."""
        return self.section.SCALES

    def natural(self, draws: Params, rows: PooledRows, days_per_unit: float) -> dict[str, np.ndarray]:
        """The model's own parameters, the effect of each group and of one standard deviation (or one value) of each
        covariate on the scales of buying and attrition, their standard deviations, and a new group's
        effect, drawn from the distribution of groups.
        """
        found = self.section.natural(draws, rows.rows, days_per_unit)
        basis, customers = self.contrasts(rows)
        rng = np.random.default_rng(_NEW_GROUP)
        for process, names in self.names().items():
            columns = []
            if groups := self.design.groups:
                sd = draws[f"{process}_sd"]
                unit = spread(customers, process, sd[:, None])
                new = sd * np.sqrt(1 + 1 / groups) * rng.standard_normal(sd.size)  # the offsets' mean is in the rate
                columns += [*(basis @ (draws[f"{process}_contrast"] * unit).T), new]
                found[f"sd_{self.scales[process].name}"] = sd
            if f"{process}_effect" in draws:
                columns += [*draws[f"{process}_effect"].T]
            found |= dict(zip(names, columns, strict=True))
        return found

    # --- levels -------------------------------------------------------------------------------------------------------

    def effects(self, params: Params, level: int) -> tuple[np.ndarray, np.ndarray]:
        """u and v of one level, each (draw,)."""
        code = int(self.design.parts(np.array([level]))[0][0])

        def effect(process: str) -> np.ndarray:
            total = np.zeros(len(next(iter(params.values()))))
            if process not in self.scales:
                return total
            names = self.names()[process]
            if self.design.group:
                total = total + params[names[code]]
                names = names[self.design.groups + 1 :]
            features = self.design.features(np.array([level]), self.design.covariates_of(process))[0]
            return total + sum(x * params[name] for x, name in zip(features, names, strict=True))

        return effect("purchase"), effect("attrition")

    def parameters(self, params: Params, level: int) -> dict[str, np.ndarray]:
        """The model's own parameters at one level, each (draw,)."""
        buying, leaving = self.effects(params, level)
        return self.section.apply_factors(self.own(params), np.exp(buying), np.exp(leaving))

    def by_level(self, function: Callable[[Params, Any], Any], params: Params, histories: Any) -> Any:
        """A function of (the model's own params, histories), (draw, customer) or a law, for customers of all levels."""
        plain = type(histories).plain(*histories[:-1])
        levels, level_of = np.unique(histories.level, return_inverse=True)
        groups = [np.flatnonzero(level_of == i) for i in range(levels.size)]
        parts = [
            function(self.parameters(params, int(level)), rows_of(plain, rows))
            for level, rows in zip(levels, groups, strict=True)
        ]
        return merge(parts, groups, level_of.size)

    def levels_of_newcomers(self) -> tuple[np.ndarray, np.ndarray]:
        """Levels that newcomers may have, and with which probabilities: as customers today have, those of a new cohort
        being of a cohort that nobody has seen yet."""
        levels, shares = np.array(self.design.levels), np.array(self.design.shares)
        group = self.newcomers
        if group is not None:
            from_group = self.design.parts(levels)[0] == group
            levels, shares = levels[from_group], shares[from_group]
        elif self.design.group and self.design.group.by == "cohort":
            levels = self.design.of_group(levels, self.design.groups)
        distinct, distinct_of = np.unique(levels, return_inverse=True)
        weight = np.bincount(distinct_of, shares)
        return distinct, weight / weight.sum()

    def facts(self, params: Params) -> tuple[tuple[str, str], ...]:
        """How customers are told apart, and by how much: factors on buying and on attrition, with intervals."""
        listed = [("Levels that customers are told apart by", self._levels_in_words())]
        group = self.design.group
        for process, (scale, what) in self.scales.items():
            if group:
                listed.append((f"{what}: typical factor between {group.by}s", _factor(params[f"sd_{scale}"])))
                listed += [
                    (f"{what}, {group.by} {name} against the average", _factor(params[_named(scale, group, name)]))
                    for name in self._largest(_GROUPS_SHOWN)
                ]
            listed += [
                (f"{what}, {covariate.says(feature)}", _factor(params[f"{scale}[{feature}]"]))
                for covariate in self.design.covariates
                if covariate.name in self.design.covariates_of(process)
                for feature in covariate.features
            ]
        return tuple(listed)

    def _largest(self, count: int) -> list[str]:
        """Names of the largest groups, in their own order."""
        names = self.design.group.names if self.design.group else ()
        shares = np.bincount(self.design.parts(np.array(self.design.levels))[0], self.design.shares, len(names))
        return [names[i] for i in np.sort(np.argsort(-shares[: len(names)], kind="stable")[:count])]

    def _levels_in_words(self) -> str:
        group = self.design.group
        parts = [f"{len(group.names)} {group.by}s, pooled as far as they are alike"] if group else []
        parts += [f"{covariate.name} in {len(covariate.values)} classes" for covariate in self.design.covariates]
        more = f"; only the {_GROUPS_SHOWN} largest are listed" if self.design.groups > _GROUPS_SHOWN else ""
        return f"{len(self.design.levels)} that occur ({'; '.join(parts)}){more}"

    # --- quantities ---------------------------------------------------------------------------------------------------

    log_likelihood = _each_level("log_likelihood")
    probability_alive = _each_level("probability_alive")
    probability_active = _each_level("probability_active")
    probability_staying = _each_level("probability_staying")
    expected_orders = _each_level("expected_orders")
    expected_discounted_orders = _each_level("expected_discounted_orders")
    laws = _each_level("laws")
    laws_given_dead = _each_level("laws_given_dead")
    expected_orders_new = _mean_of_newcomers("expected_orders_new")
    expected_discounted_orders_new = _mean_of_newcomers("expected_discounted_orders_new")
    probability_staying_new = _mean_of_newcomers("probability_staying_new")
    order_pmf = _mean_of_newcomers("order_pmf")

    def newcomer_laws(self, params: Params, days_per_unit: float) -> LifeLaw:
        """A mixture over the levels newcomers come from, (draw, 1, level)."""
        levels, shares = self.levels_of_newcomers()
        laws = [self.section.newcomer_laws(self.parameters(params, level), days_per_unit) for level in levels]
        if len(laws) == 1:
            return laws[0]
        if any(law.weight is not None for law in laws):
            raise NotImplementedError(f"{self.kind}: a mixture of mixtures")
        first = laws[0]
        traits = set(first._fields) - {"p_alive", "weight", *BY_CUSTOMER, *OF_THE_MODEL}
        stacked: dict[str, Any] = {
            f: np.stack([getattr(law, f) for law in laws], axis=-1) for f in traits if getattr(first, f) is not None
        }
        weight = np.broadcast_to(shares, stacked["drop_a"].shape)
        return first._replace(**stacked, weight=np.ascontiguousarray(weight), stages_done=np.zeros(len(laws)))


def spread(customers: Any, process: str, sd: Any) -> Any:
    """About the posterior sd of contrasts given the sd of groups, array or graph: (..., contrast) of (..., 1).

    `customers`: who tell something of each contrast, (contrast,).
    """
    return sd / (1 + customers / _KNOWN[process] * sd**2) ** 0.5


def _named(scale: str, group: Group, name: str | None) -> str:
    """The parameter that holds a group's effect; of a group nobody has seen yet where `name` is None."""
    return f"{scale}[new {group.by}]" if name is None else f"{scale}[{group.by} {name}]"


def _factor(log: np.ndarray) -> str:
    low, mid, high = np.exp(np.quantile(log, [0.05, 0.5, 0.95]))
    return f"×{mid:.2f} [{low:.2f}, {high:.2f}]"
