-- Samples keep what the vehicle said, and the plausibility stage decides what to believe whenever they are processed.
-- raw has the members of Enode's chargeState by their names in the code. Rows from before this column have
-- charging to capacity_kwh instead, as they were read then; later rows leave those null.
alter table evconduit.charging_samples add column raw jsonb;
