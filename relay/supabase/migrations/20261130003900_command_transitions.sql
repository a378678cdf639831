-- The command that a transition of the kind command_settled is about. A vehicle's record only has its newest command, so
-- without it the outcome of an earlier one could not be told. No reference: the transition is sent without the command
-- when that is gone, and deleting commands needs no index here.
alter table evconduit.transitions add column command_id uuid;
