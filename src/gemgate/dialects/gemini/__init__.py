"""Gemini native: generateContent in all its forms, models, files (docs/client-contracts.md 5)."""

from gemgate.dialects.gemini.answer import (
    ArrayWriter,
    ChunkWriter,
    array_envelope,
    envelope,
    model_listing,
    model_object,
    write,
    write_refusal,
    write_token_count,
)
from gemgate.dialects.gemini.contents import file_id, written_name
from gemgate.dialects.gemini.files import (
    UploadRequest,
    UploadStart,
    read_upload,
    write_file,
    write_files,
    write_uploaded,
)
from gemgate.dialects.gemini.predict import PredictRequest, read_prediction, write_prediction
from gemgate.dialects.gemini.request import (
    CountTokensRequest,
    GenerateContentRequest,
    read_request,
    read_token_count,
)
from gemgate.dialects.gemini.schema import json_schema
from gemgate.dialects.gemini.videos import PredictLongRunningRequest, read_video, video_of, write_operation

__all__ = [
    "ArrayWriter",
    "ChunkWriter",
    "CountTokensRequest",
    "GenerateContentRequest",
    "PredictLongRunningRequest",
    "PredictRequest",
    "UploadRequest",
    "UploadStart",
    "array_envelope",
    "envelope",
    "file_id",
    "json_schema",
    "model_listing",
    "model_object",
    "read_prediction",
    "read_request",
    "read_token_count",
    "read_upload",
    "read_video",
    "video_of",
    "write",
    "write_file",
    "write_files",
    "write_operation",
    "write_prediction",
    "write_refusal",
    "write_token_count",
    "write_uploaded",
    "written_name",
]
