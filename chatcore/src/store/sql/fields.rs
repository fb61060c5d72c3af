//! Reading a row from left to right.

/// Defines `Fields`, which reads a row of one database. A macro, for what a row can be read as differs in
/// type from one database to the next, and in nothing else.
macro_rules! fields {
    ($database:ty, $row:ty) => {
        /// A row, read from left to right.
        pub(super) struct Fields<'r> {
            row: &'r $row,
            next: usize,
        }

        impl<'r> Fields<'r> {
            pub(super) fn of(row: &'r $row) -> Self {
                Self { row, next: 0 }
            }

            pub(super) fn take<T>(&mut self) -> Result<T, StoreError>
            where
                T: sqlx::Decode<'r, $database> + sqlx::Type<$database>,
            {
                let column = self.next;
                self.next += 1;
                sqlx::Row::try_get(self.row, column).map_err(failed)
            }

            /// A number that is never below zero.
            pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
                unsigned(self.take()?)
            }

            pub(super) fn seq(&mut self) -> Result<Seq, StoreError> {
                self.number().map(Seq)
            }

            pub(super) fn time(&mut self) -> Result<Timestamp, StoreError> {
                self.take().map(Timestamp)
            }

            pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
                self.take::<&[u8]>()?.try_into().map_err(corrupt)
            }

            pub(super) fn user(&mut self) -> Result<UserId, StoreError> {
                UserId::parse(self.take()?).map_err(corrupt)
            }

            pub(super) fn room_id(&mut self) -> Result<RoomId, StoreError> {
                RoomId::parse(self.take()?).map_err(corrupt)
            }

            pub(super) fn room(&mut self) -> Result<Room, StoreError> {
                room_from($crate::store::sql::rows::RoomCells {
                    id: self.take()?,
                    kind: self.take()?,
                    name: self.take()?,
                    topic: self.take()?,
                    created_at: self.take()?,
                    created_by: self.take()?,
                    keep: self.take()?,
                    head_seq: self.take()?,
                    head_n: self.take()?,
                    floor_seq: self.take()?,
                    members: self.take()?,
                    owners: self.take()?,
                    pins: self.take()?,
                    deleted_at: self.take()?,
                    slow_mode: self.take()?,
                    retention: self.take()?,
                    floor_n: self.take()?,
                })
            }

            pub(super) fn member(&mut self) -> Result<Member, StoreError> {
                member_from((
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                ))
            }

            /// A member, where an outer join may have found none.
            pub(super) fn maybe_member(&mut self) -> Result<Option<Member>, StoreError> {
                let absent = sqlx::Row::try_get::<Option<&str>, _>(self.row, self.next)
                    .map_err(failed)?
                    .is_none();
                if absent { Ok(None) } else { self.member().map(Some) }
            }

            pub(super) fn invite_link(&mut self) -> Result<InviteLink, StoreError> {
                invite_link_from((
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                ))
            }

            pub(super) fn entry(
                &mut self,
                room: &RoomId,
                epoch: &Epoch,
            ) -> Result<Entry, StoreError> {
                let cells = (
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                    self.take()?,
                );
                entry_from(cells, room, epoch)
            }
        }
    };
}
pub(in crate::store) use fields;
