"""What the data is: players, Arrow schemas, delimiter schemes, keys and the manifest."""

from schemas.delimiters import SCHEMES as SCHEMES
from schemas.delimiters import DelimiterScheme as DelimiterScheme
from schemas.episode import DOCUMENTS as DOCUMENTS
from schemas.episode import SEGMENT as SEGMENT
from schemas.episode import SPAN as SPAN
from schemas.episode import Player as Player
from schemas.episode import SegmentKind as SegmentKind
from schemas.episode import row_schema as row_schema
from schemas.errors import UserError as UserError
from schemas.keys import ChunkKey as ChunkKey
